#include "shared_run.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void shared_wait(const uint32_t *word, uint32_t expected, uint64_t timeout_ns) {
  struct timespec limit = {.tv_sec = (time_t)(timeout_ns / 1000000000u), .tv_nsec = (long)(timeout_ns % 1000000000u)};
  syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout_ns == 0 ? NULL : &limit, NULL, 0);
}

void shared_wake(const uint32_t *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0); }

void shared_tell(uint32_t *state, uint32_t news) {
  uint32_t was = shared_exchange(state, news);
  if (was == SHARED_RUN_SLEEPING) shared_wake(state, 1);
  if (was < SHARED_RUN_AT_BELL || was >= SHARED_RUN_AT_BELL + SHARED_BELLS) return;
  uint64_t one = 1;
  ssize_t written = write(SHARED_BELL_DESCRIPTOR + (int)(was - SHARED_RUN_AT_BELL), &one, sizeof one);
  (void)written;  // The host looks now and then even if nothing rings.
}
