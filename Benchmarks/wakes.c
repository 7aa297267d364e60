// The floor of a runner process: two processes that wake each other through a word in shared memory, and nothing else.
// With --core both share that core. Prints one JSON object.
#include <getopt.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "samples.h"

static const char usage[] = "usage: wakes [--seconds 1] [--core N]\n";

static void await_change(const uint32_t *word, uint32_t seen) {
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == seen) syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void announce(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
  syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

int main(int count, char **arguments) {
  double seconds = 1;
  int core = -1;
  static const struct option options[] = {{"seconds", 1, 0, 't'}, {"core", 1, 0, 'p'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 't': seconds = atof(optarg); break;
      case 'p': core = atoi(optarg); break;
      default: die(usage);
    }
  pin_to_core(core);
  uint32_t *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (words == MAP_FAILED) die("mmap: %s", strerror(errno));
  uint32_t *there = words, *back = words + 16;  // a cache line each
  pid_t child = fork();
  if (child < 0) die("fork: %s", strerror(errno));
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t turn = 0;; turn++) {
      await_change(there, turn);
      announce(back, turn + 1);
    }
  }
  struct samples samples = make_samples();
  uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1.1 * 1e9);
  uint32_t turn = 0;
  for (uint64_t now = begin; now < end; turn++) {
    uint64_t started = now_ns();
    announce(there, turn + 1);
    await_change(back, turn);
    now = now_ns();
    if (now - begin > (uint64_t)(seconds * 0.1 * 1e9)) add_sample(&samples, now - started);  // first tenth: warm-up
  }
  printf("{");
  print_samples(&samples);
  printf("}\n");
  return 0;
}
