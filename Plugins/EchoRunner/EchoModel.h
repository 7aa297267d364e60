// A model that is described by text options alone.
#ifndef ECHO_MODEL_H
#define ECHO_MODEL_H

#include "stadion_runner.h"

// MAX_NAME and MAX_MESSAGE keep every message shorter than stadion_error.message, so none is ever cut.
enum { MAX_TENSORS = 32, MAX_RANK = 8, MAX_TEXT = 4096, MAX_NAME = 255, MAX_MESSAGE = 400, MAX_SLEEP_MS = 3600000 };
enum { MAX_DELAY_NS = 1000000000 };
enum { INPUTS, OUTPUTS, SLEEP_MS, FAIL, FAIL_LOAD, OPTION_COUNT };

typedef struct {
  stadion_tensor tensor;  // its shape points into this
  int64_t shape[MAX_RANK];
} echo_tensor;

// What a run reads stands in front, side by side, and no more is taken than is needed: among thousands of models each
// page that a run touches counts.
struct stadion_model {
  uint64_t delay_ns;  // the runner's
  unsigned sleep_ms;
  uint32_t counts[2];              // of INPUTS and of OUTPUTS
  char *text[OPTION_COUNT];        // the options, NULL where not given; names of tensors point into the first two
  const char *names[MAX_TENSORS];  // of the outputs, which tensors would have in other pages
  echo_tensor *tensors[2];         // as many as counts say, INPUTS and OUTPUTS
};

// Fills a zeroed model, which is to be freed also if that fails. Any option that is unknown or malformed is
// STADION_INVALID_ARGUMENT. [any]
stadion_code echo_read_options(stadion_model *model, const stadion_option *options, size_t count, stadion_error *error);

// Does nothing for NULL. [any]
void echo_free(stadion_model *model);

// Reads the runner's one option, delay_ns; others are ignored. A malformed one is STADION_INVALID_ARGUMENT. [any]
stadion_code echo_read_delay(uint64_t *out, const stadion_option *options, size_t count, stadion_error *error);

// Writes the error record and returns `code`. [any]
stadion_code echo_fail(stadion_error *error, stadion_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
