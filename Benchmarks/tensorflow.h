// The part of TensorFlow's C interface that the comparison calls, and as much of a SavedModel as it needs to know.
#ifndef STADION_BENCH_TENSORFLOW_H
#define STADION_BENCH_TENSORFLOW_H

#include <dlfcn.h>
#include <stdbool.h>

#include "engine.h"

enum { TF_FLOAT32 = 1, MAX_NAME = 128 };

struct tf_buffer {
  const void *data;
  size_t length;
  void (*deallocator)(void *, size_t);
};
struct tf_output {
  void *operation;
  int index;
};

#define TF_FUNCTIONS(X)                                                                                                \
  X(const char *, TF_Version, (void))                                                                                  \
  X(void *, TF_NewStatus, (void))                                                                                      \
  X(int, TF_GetCode, (void *))                                                                                         \
  X(const char *, TF_Message, (void *))                                                                                \
  X(void *, TF_NewGraph, (void))                                                                                       \
  X(void *, TF_NewSessionOptions, (void))                                                                              \
  X(void, TF_SetConfig, (void *, const void *, size_t, void *))                                                        \
  X(struct tf_buffer *, TF_NewBuffer, (void))                                                                          \
  X(void *, TF_LoadSessionFromSavedModel,                                                                              \
    (void *, const struct tf_buffer *, const char *, const char *const *, int, void *, struct tf_buffer *, void *))    \
  X(void *, TF_GraphOperationByName, (void *, const char *))                                                           \
  X(void *, TF_NewTensor, (int, const int64_t *, int, void *, size_t, void (*)(void *, size_t, void *), void *))       \
  X(void *, TF_TensorData, (void *))                                                                                   \
  X(size_t, TF_TensorByteSize, (void *))                                                                               \
  X(void, TF_DeleteTensor, (void *))                                                                                   \
  X(void, TF_SessionRun,                                                                                               \
    (void *, const struct tf_buffer *, const struct tf_output *, void *const *, int, const struct tf_output *,         \
     void **, int, const void *const *, int, struct tf_buffer *, void *))

#define TF_DECLARE(result, name, parameters) static result(*name) parameters;
TF_FUNCTIONS(TF_DECLARE)

static void *tf_status;

static inline void tf_check(const char *what) {
  if (TF_GetCode(tf_status) != 0) die("%s: %s", what, TF_Message(tf_status));
}

// Returns the engine's version.
static inline const char *tf_open(const char *library) {
  setenv("TF_CPP_MIN_LOG_LEVEL", "3", 0);
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) die("%s", dlerror());
#define TF_FIND(result, name, parameters)                                                                              \
  if ((name = (result(*) parameters)dlsym(handle, #name)) == NULL) die("%s", dlerror());
  TF_FUNCTIONS(TF_FIND)
  tf_status = TF_NewStatus();
  return TF_Version();
}

// One input or output of a signature.
struct tensor_info {
  char key[MAX_NAME], tensor[MAX_NAME];
  int type, rank;
  int64_t dimensions[MAX_RANK];
};

// Its signature serving_default; the model is one that we trust.
struct signature {
  struct tensor_info inputs[1], outputs[MAX_OUTPUTS];
  int input_count, output_count;
};

// The fields of a protobuf message: calls `visit` with each one's number, and its value or its bytes.
typedef void field_visitor(int field, uint64_t value, const uint8_t *bytes, size_t count, void *context);

static inline uint64_t read_varint(const uint8_t **at, const uint8_t *end) {
  uint64_t value = 0;
  for (int shift = 0; *at < end && shift < 64; shift += 7) {
    uint8_t byte = *(*at)++;
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  die("the SavedModel's meta graph is broken");
  return 0;
}

static inline void visit_fields(const uint8_t *at, size_t count, field_visitor *visit, void *context) {
  const uint8_t *end = at + count;
  while (at < end) {
    uint64_t tag = read_varint(&at, end), value = 0;
    const uint8_t *bytes = at;
    switch (tag & 7) {
      case 0: value = read_varint(&at, end); break;
      case 1: value = 8; break;
      case 2:
        value = read_varint(&at, end);
        bytes = at;
        break;
      default: value = 4;
    }
    if ((tag & 7) != 0) {
      if (value > (uint64_t)(end - at)) die("the SavedModel's meta graph is broken");
      at += value;
    }
    visit((int)(tag >> 3), value, bytes, (tag & 7) == 2 ? (size_t)value : 0, context);
  }
}

static inline void copy_name(char *name, const uint8_t *bytes, size_t count) {
  if (count >= MAX_NAME) die("a name of %zu bytes is too long", count);
  memcpy(name, bytes, count);
  name[count] = 0;
}

static inline void visit_size(int field, uint64_t value, const uint8_t *bytes, size_t count, void *context) {
  (void)bytes, (void)count;
  if (field == 1) *(int64_t *)context = (int64_t)value;
}

static inline void visit_shape(int field, uint64_t value, const uint8_t *bytes, size_t count, void *context) {
  (void)value;
  struct tensor_info *info = context;
  if (field != 2) return;
  if (info->rank == MAX_RANK) die("%s has over %d dimensions", info->key, MAX_RANK);
  visit_fields(bytes, count, visit_size, &info->dimensions[info->rank++]);
}

static inline void visit_info(int field, uint64_t value, const uint8_t *bytes, size_t count, void *context) {
  struct tensor_info *info = context;
  if (field == 1) copy_name(info->tensor, bytes, count);
  if (field == 2) info->type = (int)value;
  if (field == 3) visit_fields(bytes, count, visit_shape, info);
}

static inline void visit_entry(int field, uint64_t value, const uint8_t *bytes, size_t count, void *context) {
  (void)value;
  struct tensor_info *info = context;
  if (field == 1) copy_name(info->key, bytes, count);
  if (field == 2) visit_fields(bytes, count, visit_info, info);
}

static inline void visit_signature(int field, uint64_t value, const uint8_t *bytes, size_t count, void *context) {
  (void)value;
  struct signature *signature = context;
  if (field == 1) {
    if (signature->input_count == 1) die("the signature has more than one input");
    visit_fields(bytes, count, visit_entry, &signature->inputs[signature->input_count++]);
  } else if (field == 2) {
    if (signature->output_count == MAX_OUTPUTS) die("the signature has over %d outputs", MAX_OUTPUTS);
    visit_fields(bytes, count, visit_entry, &signature->outputs[signature->output_count++]);
  }
}

static inline void visit_named_signature(int field, uint64_t value, const uint8_t *bytes, size_t count, void *context) {
  (void)value;
  static bool is_default;
  if (field == 1) is_default = count == 15 && memcmp(bytes, "serving_default", 15) == 0;
  if (field == 2 && is_default) visit_fields(bytes, count, visit_signature, context);
}

static inline void visit_meta_graph(int field, uint64_t value, const uint8_t *bytes, size_t count, void *context) {
  (void)value;
  if (field == 5) visit_fields(bytes, count, visit_named_signature, context);
}

// The tensor "operation:index" of a graph.
static inline struct tf_output find_output(void *graph, const char *name) {
  char operation[MAX_NAME];
  snprintf(operation, sizeof operation, "%s", name);
  char *colon = strrchr(operation, ':');
  struct tf_output output = {NULL, colon == NULL ? 0 : atoi(colon + 1)};
  if (colon != NULL) *colon = 0;
  output.operation = TF_GraphOperationByName(graph, operation);
  if (output.operation == NULL) die("the graph has no %s", name);
  return output;
}

#endif
