// What the parts of the escaping runner share.
#ifndef ESCAPING_H
#define ESCAPING_H

#include "stadion_runner.h"

struct stadion_model {
  char attempt[64];
  char argument[4096];  // a path, a number of a process, a port, a count of bytes
};

// Tries what the model says; the errno that it ended with, 0 for success, ENOTSUP for an unknown word.
int32_t escaping_attempt(const stadion_model *model);

#endif
