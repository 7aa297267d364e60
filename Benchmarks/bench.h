// What every benchmark program needs: a clock, a way out, a core to run on, a socket, and the same floats.
// C11 and C++17.
#ifndef STADION_BENCH_H
#define STADION_BENCH_H

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { IMAGE_VALUES = 3 * 224 * 224 };  // one [1,3,224,224] tensor, the large case of every comparison

static inline void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static inline uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// CPU time of all threads of `pid` since its start, user and system; children are not in it.
static inline uint64_t process_cpu_ns(pid_t pid) {
  clockid_t clock;
  struct timespec t;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) die("no process %d", (int)pid);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Keeps the calling process on one core; a negative number leaves it to the scheduler.
static inline void pin_to_core(int core) {
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)core, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) die("core %d: %s", core, strerror(errno));
}

static inline void *take_memory(size_t byte_count) {
  void *memory = malloc(byte_count);
  if (memory == NULL) die("no memory for %zu bytes", byte_count);
  return memory;
}

// Returns a connected, blocking descriptor.
static inline int connect_unix(const char *path) {
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) die("socket path too long: %s", path);
  memcpy(address.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect %s: %s", path, strerror(errno));
  return fd;
}

// Uniform in [0,1), 24 random bits each, the same in every program and every run.
static inline void fill_uniform(float *values, size_t count) {
  uint32_t state = 12345;
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    values[i] = (float)(state >> 8) / 16777216.0f;
  }
}

#endif
