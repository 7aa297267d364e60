// The structs of TensorFlow's C API that we hand over; Swift's own can't be arguments of C functions.
#ifndef CTENSORFLOW_H
#define CTENSORFLOW_H

#include <stddef.h>
#include <stdint.h>

// TF_Buffer: bytes that somebody owns.
typedef struct tf_buffer {
  const void *data;
  size_t length;
  void (*deallocator)(void *data, size_t length);
} tf_buffer;

// TF_Output: one of the tensors that an operation of the graph makes. TensorFlow reads through `operation`
// unasked, so it is never NULL.
typedef struct tf_output {
  void *operation;
  int32_t index;
} tf_output;

#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(tf_buffer) == 24, "TF_Buffer layout");
_Static_assert(sizeof(tf_output) == 16, "TF_Output layout");
#endif
#endif
