// What each program says of its engine, and what it is told by its arguments.
#ifndef STADION_BENCH_ENGINE_H
#define STADION_BENCH_ENGINE_H

#include "bench.h"

enum { MAX_OUTPUTS = 16, MAX_RANK = 8 };

struct turns {
  const char *library, *model;
  const char *socket_path, *name;  // of the host and its model; NULL = only directly
  int runs, core;
  int threads;         // of the engine, for one run
  void *input_memory;  // for the model's input; NULL = it takes its own
  size_t input_room;
};

// An engine with a model, ready to run.
struct engine {
  const char *name;  // with its version
  const char *input_name, *shape;
  void *session;  // the program's own
  float *input;   // uniform floats, read by every run
  size_t input_bytes, output_count;
  // Of the last run, until `finish`.
  const void *outputs[MAX_OUTPUTS];
  size_t output_bytes[MAX_OUTPUTS];
  uint64_t (*run)(struct engine *engine);  // nanoseconds of one run
  void (*finish)(struct engine *engine);   // lets go of its outputs
};

// In each program. Opens the library, and the model with the settings of the runner's.
static struct engine open_engine(struct turns turns);

// The input's memory, full of uniform floats; aligned as the host aligns it.
static inline float *take_input(struct turns turns, size_t value_count) {
  size_t byte_count = (value_count * sizeof(float) + 63) / 64 * 64;
  float *values = turns.input_memory != NULL ? turns.input_memory : aligned_alloc(64, byte_count);
  if (values == NULL || (turns.input_memory != NULL && byte_count > turns.input_room))
    die("no memory for an input of %zu bytes", byte_count);
  fill_uniform(values, value_count);
  return values;
}

#endif
