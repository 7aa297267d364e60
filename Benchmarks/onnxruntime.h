// The part of ONNX Runtime's C interface that the comparison calls. OrtApi is a table of function pointers that only
// grows, so an old version of it is enough and slots are addressed by number.
#ifndef STADION_BENCH_ONNXRUNTIME_H
#define STADION_BENCH_ONNXRUNTIME_H

#include <dlfcn.h>

#include "bench.h"

enum { API_VERSION = 17, FLOAT32 = 1, LOG_ERRORS = 3, ARENA_ALLOCATOR = 1, DEFAULT_MEMORY = 0 };

enum slot {
  GET_ERROR_MESSAGE = 2,
  CREATE_ENV = 3,
  CREATE_SESSION = 7,
  RUN = 9,
  CREATE_SESSION_OPTIONS = 10,
  SET_INTRA_OP_THREADS = 24,
  SET_INTER_OP_THREADS = 25,
  INPUT_COUNT = 30,
  OUTPUT_COUNT = 31,
  INPUT_TYPE = 33,
  INPUT_NAME = 36,
  OUTPUT_NAME = 37,
  CREATE_TENSOR_WITH_DATA = 49,
  TENSOR_DATA = 51,
  CAST_TYPE_TO_TENSOR = 55,
  ELEMENT_TYPE = 60,
  DIMENSION_COUNT = 61,
  DIMENSIONS = 62,
  ELEMENT_COUNT = 64,
  TENSOR_TYPE_AND_SHAPE = 65,
  CREATE_CPU_MEMORY = 69,
  DEFAULT_ALLOCATOR = 78,
  RELEASE_VALUE = 96,
  RELEASE_TYPE_AND_SHAPE = 99,
  ADD_SESSION_CONFIG = 130,
};

struct api_base {
  const void *const *(*get_api)(uint32_t version);
  const char *(*get_version)(void);
};

static const void *const *ort_api;

// Calls slot `NAME` whose parameters have the types in TYPES, in parentheses. A failure ends the program with the
// engine's own words.
#define ORT(NAME, TYPES, ...)      ort_check(((void *(*)TYPES)ort_api[NAME])(__VA_ARGS__), #NAME)
#define ORT_VOID(NAME, TYPES, ...) (((void(*) TYPES)ort_api[NAME])(__VA_ARGS__))

static inline void ort_check(void *status, const char *what) {
  if (status != NULL) die("%s: %s", what, ((const char *(*)(void *))ort_api[GET_ERROR_MESSAGE])(status));
}

// Returns the engine's version.
static inline const char *ort_open(const char *library) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) die("%s", dlerror());
  const struct api_base *(*get_base)(void) = (const struct api_base *(*)(void))dlsym(handle, "OrtGetApiBase");
  if (get_base == NULL) die("%s", dlerror());
  ort_api = get_base()->get_api(API_VERSION);
  if (ort_api == NULL) die("%s has no API version %d", library, API_VERSION);
  return get_base()->get_version();
}

#endif
