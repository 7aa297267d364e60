// What a bare host in C and its child need: words to wait for in shared memory, and sockets read and written in full.
#ifndef STADION_BENCH_RELAY_H
#define STADION_BENCH_RELAY_H

#include <linux/futex.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "bench.h"

struct shared {
  uint32_t there, there_padding[15], back, back_padding[15];  // a cache line each
};

// Zeroed memory that a child made afterwards shares.
static inline void *share_memory(size_t byte_count) {
  void *memory = mmap(NULL, byte_count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) die("mmap: %s", strerror(errno));
  return memory;
}

static inline void await_change(const uint32_t *word, uint32_t seen) {
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == seen) syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static inline void announce(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
  syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static inline pid_t fork_bound(void) {
  pid_t child = fork();
  if (child < 0) die("fork: %s", strerror(errno));
  if (child == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
  return child;
}

// False when the other side has closed.
static inline bool transfer(int fd, char *at, size_t count, bool reads) {
  while (count > 0) {
    ssize_t n = reads ? read(fd, at, count) : send(fd, at, count, MSG_NOSIGNAL);
    if (n <= 0) return false;
    at += n;
    count -= (size_t)n;
  }
  return true;
}

#endif
