// What the parts of the faulty runner share.
#ifndef FAULTY_H
#define FAULTY_H

#include <pthread.h>
#include <stdatomic.h>
#include "stadion_runner.h"

// What a model counts and is told through `extension("test.get")` and `("test.set")`. Each test takes a slot of its own
// (option `slot`), so that tests run beside each other.
enum {
  COUNT_RUNS,
  COUNT_RUNNING,
  COUNT_MOST_RUNNING,  // at once
  COUNT_MADE,          // buffers of the runner's own
  COUNT_RELEASED,
  COUNT_THREAD,  // gettid of the last run
  COUNT_MODELS,  // loaded now
  COUNT_LOADS,
  COUNT_CANCELLED,  // runs that saw their cancel flag
  COUNT_LATE,       // codes of late emits, plus 1
  COUNT_GO,         // set by the test: what waits for it goes on
  COUNT_OPENS,      // slot 0
  COUNT_CLOSES,     // slot 0
  COUNT_INTERRUPTS,
  COUNTER_COUNT,
};
enum { SLOT_COUNT = 512 };
// What waits to be told gives up then, so that a test that has failed before it could tell ends nevertheless.
enum { PATIENCE_MS = 60000 };
extern _Atomic uint64_t faulty_counters[SLOT_COUNT][COUNTER_COUNT];

struct stadion_runner {
  const stadion_device *device;
  char refuse[128];  // option `refuse_load` of the manifest: every load fails with these words
};

struct stadion_model {
  const stadion_device *device;
  char fault[64];
  uint32_t slot;
  uint32_t output_count;
  stadion_code code, load_code;
  uint32_t ms;
  uint32_t patience_ms;
  float bias;  // Y = X + bias
  const stadion_tensor *inputs[2], *outputs[3];
  pthread_t late;
  bool has_late;
  const stadion_request *late_request;
  uint32_t asked;          // for the first output of the signature
  stadion_buffer *reused;  // emitted by every run
};

extern const stadion_host *faulty_host;
extern _Atomic int faulty_loads;  // under way, of models that say `loads_alone`

bool faulty_library_is(const char *fault);
bool faulty_is(const stadion_model *model, const char *fault);
stadion_code faulty_fail(stadion_error *error, stadion_code code, const char *message);
void faulty_process_load(stadion_model *model);
void faulty_process(stadion_model *model, const stadion_request *request);
// Waits until the test tells it to go on, or `ticket` (NULL for none) is cancelled.
stadion_code faulty_wait(const stadion_model *model, const stadion_ticket *ticket, stadion_error *error);
stadion_code faulty_run(stadion_model *model, const stadion_request *request, stadion_error *error);
const stadion_plugin *faulty_entry(void);

#endif
