// What the host and a runner process share: how a run lies in the arena, the ring that announces runs, and wake-ups.
//
// Both sides are the same executable, so nothing here has a version. Fields say who writes them. The host reads what
// the child writes once, into its own memory, and believes none of it.
#ifndef STADION_SHARED_RUN_H
#define STADION_SHARED_RUN_H

#include <stdbool.h>
#include <stdint.h>

// -- A run --------------------------------------------------------------------
// `shared_run.state`. Whoever waits says so by turning SUBMITTED into SLEEPING or AT_BELL, so that nobody is woken in
// vain.
enum {
  SHARED_RUN_SUBMITTED = 0,  // with the child
  SHARED_RUN_SLEEPING = 1,   // with the child, and the host sleeps on this word
  SHARED_RUN_NEEDS = 2,      // the child sleeps on this word until the host has given memory, or none
  SHARED_RUN_DONE = 3,       // with the host
  SHARED_RUN_DIED = 4,       // the host says so itself, once the process has ended
  SHARED_RUN_AT_BELL = 16,   // and up, one for each bell: with the child, and an event loop waits for its ring
};

// Bells are eventfds of the child, from this descriptor on.
enum { SHARED_BELL_DESCRIPTOR = 5, SHARED_BELLS = 64 };

enum { SHARED_RUN_MAX_RANK = 8, SHARED_RUN_MESSAGE_BYTES = 1024 };

// One input or output. Offsets count from the arena's start.
typedef struct shared_tensor {
  uint32_t index;  // into the signature's inputs or outputs
  int32_t dtype;
  uint32_t rank;
  uint32_t reserved;
  uint64_t offset;
  uint64_t byte_size;
  int64_t shape[SHARED_RUN_MAX_RANK];
} shared_tensor;

// Followed by the inputs, the room for outputs' descriptions, and the wanted outputs' indexes.
typedef struct shared_run {
  uint32_t state;        // both
  uint32_t cancel;       // host: nonzero once nobody wants the answer
  uint64_t ticket;       // host, as all up to `given_bytes`
  uint64_t deadline_ns;  // CLOCK_MONOTONIC; 0 = none
  uint32_t model;        // the number that `load` gave it
  uint32_t input_count;
  uint32_t output_room;   // outputs that may be described
  uint32_t wanted_count;  // 0 = all
  uint64_t given_offset;  // memory for outputs
  uint64_t given_bytes;   // 0 = none is left
  uint64_t needed_bytes;  // child, as all below
  uint64_t run_ns;
  uint32_t output_count;
  uint32_t error;  // 0, or 1 + the place of a code in the host's list
  uint32_t message_bytes;
  uint32_t reserved;
  char message[SHARED_RUN_MESSAGE_BYTES];
} shared_run;

_Static_assert(sizeof(shared_tensor) == 96, "shared_tensor layout");
_Static_assert(sizeof(shared_run) == 88 + SHARED_RUN_MESSAGE_BYTES, "shared_run layout");

// -- The ring -----------------------------------------------------------------
enum { SHARED_RING_ENTRIES = 4096 };  // runs that may be with one process at once

// `shared_ring.leader`.
enum {
  SHARED_LEADER_BUSY = 0,  // there is none: whoever becomes idle takes what is there, but a run shouldn't wait for that
  SHARED_LEADER_ASLEEP = 1,  // on `tail`
  SHARED_LEADER_LOOKING = 2,
};

// At the arena's start. Each writer has cache lines of its own.
typedef struct shared_ring {
  uint32_t tail;  // host: runs ever announced; the leader sleeps on it
  uint32_t pad0[15];
  uint32_t leader;  // child: what the thread that takes the next run does, one of the states below
  uint32_t pad1[15];
  uint32_t calls;  // host: grows when a further thread is needed; idle threads but the leader sleep on it
  uint32_t pad2[15];
  uint64_t entries[SHARED_RING_ENTRIES];  // host: offsets of `shared_run`
} shared_ring;

// -- Words that both sides touch ----------------------------------------------
static inline uint32_t shared_load(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static inline uint64_t shared_load64(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
static inline void shared_store(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
static inline uint32_t shared_exchange(uint32_t *word, uint32_t value) {
  return __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL);
}
static inline uint32_t shared_add(uint32_t *word, uint32_t value) {
  return __atomic_add_fetch(word, value, __ATOMIC_SEQ_CST);
}
static inline bool shared_replace(uint32_t *word, uint32_t expected, uint32_t value) {
  return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
// Orders a store before a later load of another word, on both sides of a "did I miss a wake-up?".
static inline void shared_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
// Tells the core that this is a spin.
static inline void shared_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Sleeps while *word is `expected`, at most `timeout_ns` (0 = without limit). May return early for no reason.
void shared_wait(const uint32_t *word, uint32_t expected, uint64_t timeout_ns);
// Wakes up to `count` sleepers.
void shared_wake(const uint32_t *word, int count);
// The child's: sets a run's state and wakes whoever waits for news of it, to whom the run belongs from there on.
void shared_tell(uint32_t *state, uint32_t news);

#endif
