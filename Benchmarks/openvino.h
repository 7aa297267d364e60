// The part of OpenVINO's C interface that the comparison calls, as libopenvino_c.so.2641 (2026.4) has it.
#ifndef STADION_BENCH_OPENVINO_H
#define STADION_BENCH_OPENVINO_H

#include <dlfcn.h>

#include "bench.h"

enum { OV_FLOAT32 = 4 };

struct ov_dimension {
  int64_t min, max;
};
// Both are passed by value.
struct ov_shape {
  int64_t rank, *dimensions;
};
struct ov_partial_shape {
  struct ov_dimension rank, *dimensions;
};
struct ov_property {
  const char *key, *value;
};
struct ov_version {
  const char *build, *description;
};

static void *ov_library;

static inline void *ov_find(const char *name) {
  void *function = dlsym(ov_library, name);
  if (function == NULL) die("%s", dlerror());
  return function;
}

static inline void ov_check(int status, const char *what) {
  if (status != 0) die("%s: %s", what, ((const char *(*)(void))ov_find("ov_get_last_err_msg"))());
}

// Calls a function whose parameters have the types in TYPES, in parentheses. A failure ends the program with the
// engine's own words.
#define OV(NAME, TYPES, ...) ov_check(((int(*) TYPES)ov_find(#NAME))(__VA_ARGS__), #NAME)

// Returns the engine's version.
static inline const char *ov_open(const char *library) {
  ov_library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (ov_library == NULL) die("%s", dlerror());
  static struct ov_version version;
  OV(ov_get_openvino_version, (struct ov_version *), &version);
  return version.build;
}

#endif
