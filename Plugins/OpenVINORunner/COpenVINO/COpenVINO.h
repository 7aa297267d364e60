// The part of OpenVINO's C interface that the runner calls, as libopenvino_c.so.2641 (2026.4) has it: our own
// declarations, since the engine is opened at run time and nothing links to it. Swift can't pass C structs by value
// through function pointers of its own, nor call variadic functions: hence C, and the `_props` twins of 2026.4.
#ifndef COPENVINO_H
#define COPENVINO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

typedef struct ov_object ov_object;  // any handle
typedef ov_object *_Nullable ov_handle;
typedef char *_Nullable ov_text;     // given back with `free`
typedef ov_handle *_Nonnull ov_out;  // takes a new object

// Two structs that are passed by value.
typedef struct ov_shape {
  int64_t rank;
  int64_t *_Nullable dimensions;
} ov_shape;
typedef struct ov_dimension {
  int64_t min, max;  // max: -1 or INT32_MAX or more = no bound
} ov_dimension;
typedef struct ov_partial_shape {
  ov_dimension rank;  // min != max: not known
  ov_dimension *_Nullable dimensions;
} ov_partial_shape;

typedef struct ov_property {
  const char *key, *value;
} ov_property;
typedef struct ov_version {
  const char *_Nullable build, *_Nullable description;
} ov_version;
typedef struct ov_devices {
  ov_text *_Nullable names;
  size_t count;
} ov_devices;

_Static_assert(sizeof(ov_shape) == 16 && sizeof(ov_partial_shape) == 24 && sizeof(ov_property) == 16,
               "ABI of OpenVINO");

enum { OV_OK = 0, OV_CANCELLED = -13 };
// Since 2026 the numbers of element types are one less than before.
enum {
  OV_BOOL = 1,
  OV_BF16 = 2,
  OV_F16 = 3,
  OV_F32 = 4,
  OV_F64 = 5,
  OV_I8 = 7,
  OV_I16 = 8,
  OV_I32 = 9,
  OV_I64 = 10,
  OV_U8 = 16,
  OV_U16 = 17,
  OV_U32 = 18,
  OV_U64 = 19,
  OV_STRING = 23,
};

// F(result, name without ov_, parameters). An int32_t result is 0 or a negative number of an error.
#define OV_FUNCTIONS(F)                                                                                                \
  F(int32_t, get_openvino_version, (ov_version *))                                                                     \
  F(void, version_free, (ov_version *))                                                                                \
  F(const char *_Nullable, get_last_err_msg, (void))                                                                   \
  F(void, free, (const char *_Nullable))                                                                               \
  F(int32_t, core_create, (ov_out))                                                                                    \
  F(void, core_free, (ov_handle))                                                                                      \
  F(int32_t, core_get_available_devices, (ov_handle, ov_devices *))                                                    \
  F(void, available_devices_free, (ov_devices *))                                                                      \
  F(int32_t, core_get_property, (ov_handle, const char *device, const char *key, ov_text *_Nonnull))                   \
  F(int32_t, core_read_model, (ov_handle, const char *path, const char *_Nullable weights, ov_out))                    \
  F(void, model_free, (ov_handle))                                                                                     \
  F(int32_t, model_inputs_size, (ov_handle, size_t *))                                                                 \
  F(int32_t, model_outputs_size, (ov_handle, size_t *))                                                                \
  F(int32_t, model_const_input_by_index, (ov_handle, size_t, ov_out))                                                  \
  F(int32_t, model_const_output_by_index, (ov_handle, size_t, ov_out))                                                 \
  F(int32_t, model_get_friendly_name, (ov_handle, ov_text *_Nonnull))                                                  \
  F(int32_t, model_reshape_by_port_indexes, (ov_handle, const size_t *, ov_partial_shape *, size_t count))             \
  F(int32_t, port_get_any_name, (ov_handle, ov_text *_Nonnull))                                                        \
  F(int32_t, port_get_partial_shape, (ov_handle, ov_partial_shape *))                                                  \
  F(int32_t, port_get_element_type, (ov_handle, int32_t *))                                                            \
  F(void, partial_shape_free, (ov_partial_shape *))                                                                    \
  F(void, output_const_port_free, (ov_handle))                                                                         \
  F(int32_t, core_compile_model_props,                                                                                 \
    (ov_handle core, ov_handle model, const char *device, size_t, const ov_property *, ov_out))                        \
  F(void, compiled_model_free, (ov_handle))                                                                            \
  F(int32_t, compiled_model_create_infer_request, (ov_handle, ov_out))                                                 \
  F(void, infer_request_free, (ov_handle))                                                                             \
  F(int32_t, infer_request_set_input_tensor_by_index, (ov_handle, size_t, ov_handle))                                  \
  F(int32_t, infer_request_set_output_tensor_by_index, (ov_handle, size_t, ov_handle))                                 \
  F(int32_t, infer_request_get_output_tensor_by_index, (ov_handle, size_t, ov_out))                                    \
  F(int32_t, infer_request_infer, (ov_handle))                                                                         \
  F(int32_t, infer_request_start_async, (ov_handle))                                                                   \
  F(int32_t, infer_request_wait, (ov_handle))                                                                          \
  F(int32_t, infer_request_cancel, (ov_handle))                                                                        \
  F(int32_t, tensor_create_from_host_ptr, (int32_t type, ov_shape, void *, ov_out))                                    \
  F(void, tensor_free, (ov_handle))                                                                                    \
  F(int32_t, tensor_data, (ov_handle, void *_Nullable *_Nonnull))                                                      \
  F(int32_t, tensor_get_size, (ov_handle, size_t *))                                                                   \
  F(int32_t, tensor_get_shape, (ov_handle, ov_shape *))                                                                \
  F(int32_t, shape_free, (ov_shape *))

#define OV_MEMBER(result, name, parameters) result(*_Nonnull name) parameters;
typedef struct ov_api {
  OV_FUNCTIONS(OV_MEMBER)
} ov_api;

// Fills `out` with the functions of an opened library. Returns NULL, or the name of the first that isn't there.
const char *_Nullable ov_api_find(void *library, ov_api *out);

// Gives back memory that the process has freed.
void ov_give_back_memory(void);

// Gives back the pages of code and constants of every library in `folder`: nothing but files, they are read again when
// they are used.
void ov_give_back_code(const char *folder);

#pragma clang assume_nonnull end
#endif
