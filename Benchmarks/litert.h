// The part of LiteRT's C interface that the comparison calls: exported functions of libLiteRt.so 2.3.
#ifndef STADION_BENCH_LITERT_H
#define STADION_BENCH_LITERT_H

#include <dlfcn.h>

#include "bench.h"

enum { LITERT_FLOAT32 = 1, LITERT_CPU = 1, LITERT_MAX_RANK = 8 };
enum { OPTION_ACCELERATORS = 24, OPTION_LOG_SEVERITY = 25, WHOLE_NUMBER = 2, LOG_NOTHING = 4 };

struct litert_layout {
  uint32_t rank;  // bits 0-6
  int32_t dimensions[LITERT_MAX_RANK];
  uint32_t strides[LITERT_MAX_RANK];
};

struct litert_type {
  int32_t element_type;
  struct litert_layout layout;
};

struct litert_option {
  int64_t tag, type, value;
};

static void *litert_library;

// Calls the exported function NAME whose parameters have the types in TYPES, in parentheses. A failure ends the
// program.
#define LITERT(NAME, TYPES, ...) litert_check(((int(*) TYPES)litert_symbol(#NAME))(__VA_ARGS__), #NAME)

static inline void *litert_symbol(const char *name) {
  void *symbol = dlsym(litert_library, name);
  if (symbol == NULL) die("%s", dlerror());
  return symbol;
}

static inline void litert_check(int status, const char *what) {
  if (status != 0) die("%s: status %d", what, status);
}

static inline void litert_open(const char *library) {
  litert_library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (litert_library == NULL) die("%s", dlerror());
}

#endif
