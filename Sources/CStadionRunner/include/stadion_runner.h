// The contract between the host and a runner plugin. Reads top to bottom in call order.
#ifndef STADION_RUNNER_H
#define STADION_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// -- 1. Version ---------------------------------------------------------------
// MAJOR: a field or function was removed, reordered or given a new meaning.
// MINOR: something was appended. A host opens runners of its own MINOR and of older ones, none of a
// newer one: a runner for older hosts too returns a table of the MINOR that its entry is asked for.
#define STADION_ABI_MAJOR ((uint32_t)0)
#define STADION_ABI_MINOR ((uint32_t)1)

#if defined(__GNUC__)
#define STADION_EXPORT __attribute__((visibility("default")))
#else
#define STADION_EXPORT
#endif

// Every struct here that may grow starts with its own size and only grows at the end.
// It is never placed in an array by value: two sizes would mean two strides.
// STADION_HAS: test it before reading a field newer than MINOR 1; then test pointers for NULL.
#define STADION_HAS(s, field) ((s)->struct_size >= offsetof(__typeof__(*(s)), field) + sizeof((s)->field))

// -- 2. Thread tags -----------------------------------------------------------
// Each function below carries one.
// [any]      any thread, any number at once. Must not block.
// [control]  one such call at a time per plugin (per runner for load and unload where
//            the device says STADION_DEVICE_PARALLEL_LOADS). May block.
// [run]      a host worker thread; at most stadion_device.max_concurrent_runs at once
//            per model. May block. Never a Swift cooperative thread.
// [callback] made by the runner, only while a [run] call of the same request is
//            on the stack; one at a time per request.

// -- 3. Status ----------------------------------------------------------------
typedef int32_t stadion_code;
enum {
  STADION_OK = 0,
  STADION_CANCELLED = 1,
  STADION_INVALID_ARGUMENT = 2,
  STADION_NOT_FOUND = 3,
  STADION_UNSUPPORTED = 4,
  STADION_RESOURCE_EXHAUSTED = 5,
  STADION_DEADLINE_EXCEEDED = 6,
  STADION_FAILED_PRECONDITION = 7,
  STADION_UNAVAILABLE = 8,
  STADION_INTERNAL = 9,
  STADION_INCOMPATIBLE_ABI = 10,
};
// Anything else is read as STADION_INTERNAL. On any code but STADION_OK the out parameters are
// untouched and there is nothing to clean up.

// Caller-owned; the callee only writes into it. Nothing to free.
typedef struct stadion_error {
  uint32_t struct_size;
  stadion_code code;
  int32_t native_code;  // the engine's own code (OrtErrorCode, LiteRtStatus, errno); 0 if none
  uint32_t reserved;
  char source[32];    // who failed: "onnxruntime", "litert", "runner"
  char message[464];  // UTF-8, NUL-terminated, cut at a character boundary
} stadion_error;

// -- 4. Strings and options ---------------------------------------------------
// Text is UTF-8. A view isn't NUL-terminated and lives as long as its struct says.
typedef struct stadion_text {
  const char *data;
  size_t size;
} stadion_text;
typedef struct stadion_option {
  stadion_text key;
  stadion_text value;
} stadion_option;

// -- 5. Devices and capabilities ----------------------------------------------
// An open set: what has no number here is STADION_DEVICE_OTHER and says its name in `kind_name`.
typedef int32_t stadion_device_kind;
enum {
  STADION_DEVICE_OTHER = 0,
  STADION_DEVICE_CPU = 1,
  STADION_DEVICE_GPU = 2,
  STADION_DEVICE_NPU = 3,
  STADION_DEVICE_TPU = 4,
  STADION_DEVICE_DSP = 5,
};

typedef uint64_t stadion_device_flags;
#define STADION_DEVICE_DYNAMIC_SHAPES ((uint64_t)1 << 0)
#define STADION_DEVICE_STREAMS        ((uint64_t)1 << 1)
#define STADION_DEVICE_POLLS_CANCEL   ((uint64_t)1 << 2)  // tests the ticket between steps
#define STADION_DEVICE_PARALLEL_LOADS ((uint64_t)1 << 3)

typedef struct stadion_device {
  uint32_t struct_size;
  stadion_device_kind kind;
  uint32_t ordinal;              // stable within one process run
  uint32_t max_concurrent_runs;  // per model; 1 = the host serialises
  stadion_device_flags flags;
  uint64_t memory_bytes;       // 0 = shares host memory
  const char *name;            // "Intel(R) Xeon(R)", owned by the plugin until close
  const char *const *formats;  // NULL-ended: "onnx", "tflite"
  const char *kind_name;       // "cpu", "fpga": lower case, a-z 0-9 and '-'; never NULL
} stadion_device;

// -- 6. Tensors ---------------------------------------------------------------
typedef int32_t stadion_dtype;
enum {
  STADION_F32 = 1,
  STADION_F16 = 2,
  STADION_BF16 = 3,
  STADION_F64 = 4,
  STADION_I8 = 5,
  STADION_I16 = 6,
  STADION_I32 = 7,
  STADION_I64 = 8,
  STADION_U8 = 9,
  STADION_U16 = 10,
  STADION_U32 = 11,
  STADION_U64 = 12,
  STADION_BOOL = 13,
  STADION_UTF8 = 14,
};

// Memory that outlives one call. `release` is called exactly once, [any].
typedef struct stadion_buffer {
  uint32_t struct_size;
  uint32_t reserved;
  void *data;  // aligned to 64 bytes
  uint64_t byte_size;
  void *context;
  void (*release)(struct stadion_buffer *buffer);
} stadion_buffer;

// Dense, row-major, native byte order. shape[i] >= 0 in a run; -1 = unknown in a signature.
// STADION_BOOL: one byte, 0 or 1. STADION_UTF8: `data` holds, per element, a uint32 byte count and
// then the bytes, without padding. In a signature `data` is NULL and `byte_size` is 0.
typedef struct stadion_tensor {
  uint32_t struct_size;
  stadion_dtype dtype;
  uint32_t rank;
  uint32_t reserved;
  const char *name;
  const int64_t *shape;  // `rank` entries, in elements
  void *data;            // inputs: read-only for the runner, aligned to 64 bytes, not NULL
  uint64_t byte_size;
  stadion_buffer *buffer;  // NULL = `data` is borrowed for the call; see `emit` otherwise
} stadion_tensor;

// -- 7. Tickets ---------------------------------------------------------------
// Every [control] or [run] call that may take long carries one. The runner sees a
// deadline and a cancel flag, never a tenant. Borrowed until the call returns.
typedef struct stadion_ticket stadion_ticket;
struct stadion_ticket {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t id;           // unique in this process, never reused
  uint64_t deadline_ns;  // CLOCK_MONOTONIC; 0 = none
  void *context;
  // [any] Wait-free. True once the client left, the deadline passed or the host stops.
  bool (*is_cancelled)(const stadion_ticket *ticket);
};

// -- 8. What the host offers --------------------------------------------------
typedef struct stadion_host stadion_host;
struct stadion_host {
  uint32_t struct_size;
  uint32_t abi_minor;
  void *context;
  // [any] level: 0 debug, 1 info, 2 warning, 3 error.
  void (*log)(const stadion_host *host, int32_t level, stadion_text message);
  // [any] Host-owned memory, 64-byte aligned, charged to the ticket's tenant; NULL = quota spent.
  // An output written into it and emitted with it reaches the client without a copy. What isn't
  // emitted is given back with buffer->release(buffer).
  stadion_buffer *(*allocate)(const stadion_host *host, const stadion_ticket *ticket, uint64_t byte_size);
  // [any] NULL if unknown; owned by the host until close returns.
  const void *(*extension)(const stadion_host *host, const char *id);
};

// One request. Everything in it is borrowed until `run` returns, not a moment longer.
typedef struct stadion_request stadion_request;
struct stadion_request {
  uint32_t struct_size;
  uint32_t input_count;
  const stadion_tensor *const *inputs;  // every input of the signature, in its order
  const stadion_ticket *ticket;
  void *context;
  // [callback] One output, or one chunk of it; `last` ends that output. The host takes
  // output->buffer (if any) whatever it returns and releases it once; the rest is copied.
  // Not STADION_OK: stop and return that code from `run`.
  stadion_code (*emit)(const stadion_request *request, const stadion_tensor *output, bool last);
  // Which outputs the caller wants, as indexes into signature(outputs); NULL = all of them.
  // Others may be emitted and are dropped.
  const uint32_t *wanted_outputs;
  uint32_t wanted_output_count;
  uint32_t reserved;
};

// -- 9. What a plugin offers --------------------------------------------------
typedef struct stadion_runner stadion_runner;
typedef struct stadion_model stadion_model;

typedef struct stadion_plugin {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved;
  const char *id;       // "org.example.onnxruntime"; equals the manifest's id
  const char *version;  // of the runner
  const char *engine;   // "onnxruntime 1.32.0"; NULL before open when only the engine knows

  // [control] Before open, perhaps without it: how well this build suits this machine. 0 = can't
  // run here (the reason in `error`), 100 = plain, more = better (an AVX-512 build beside a plain
  // one). Among runners of equal priority the higher score wins. NULL = 100.
  uint32_t (*probe)(stadion_error *error);
  // [control] Once per process, before everything below. `host` stays valid until close returns.
  stadion_code (*open)(const stadion_host *host, stadion_error *error);
  // [control] After every runner is destroyed and the plugin's threads have ended.
  void (*close)(void);
  // [any] Index runs from 0; NULL past the end. Valid until close.
  const stadion_device *(*device)(uint32_t index);

  // [control]
  stadion_code (*create)(const stadion_device *device, const stadion_option *options, size_t count,
                         stadion_runner **out, stadion_error *error);
  // [control] Every model unloaded first. NULL does nothing.
  void (*destroy)(stadion_runner *runner);

  // [control] May take seconds; polls the ticket. `path` is absolute, without links.
  stadion_code (*load)(stadion_runner *runner, const stadion_ticket *ticket, stadion_text path,
                       const stadion_option *options, size_t count, stadion_model **out, stadion_error *error);
  // [control] No run of this model is in flight. NULL does nothing.
  void (*unload)(stadion_model *model);
  // [any] One list for inputs, one for outputs; NULL past the end. Valid until unload.
  const stadion_tensor *(*signature)(const stadion_model *model, bool outputs, uint32_t index);

  // [any] What the model says of itself (producer, version, custom keys); NULL past the end. Valid
  // until unload. May be NULL.
  const stadion_option *(*metadata)(const stadion_model *model, uint32_t index);

  // [run] Emits every output, then returns. No callback after it returns.
  stadion_code (*run)(stadion_model *model, const stadion_request *request, stadion_error *error);

  // [any] NULL if unknown. May be NULL itself.
  const void *(*extension)(const char *id);
} stadion_plugin;

// -- 10. The one exported symbol ----------------------------------------------
#define STADION_ENTRY_SYMBOL "stadion_plugin_entry"
// [any] Pure: no allocation, no thread, no I/O, and may be called many times. Returns NULL
// when the plugin can't serve `host_major`.
typedef const stadion_plugin *(*stadion_entry_fn)(uint32_t host_major, uint32_t host_minor);
STADION_EXPORT const stadion_plugin *stadion_plugin_entry(uint32_t host_major, uint32_t host_minor);

#if defined(__cplusplus)
#define STADION_ASSERT_(c, m) static_assert(c, m)
#else
#define STADION_ASSERT_(c, m) _Static_assert(c, m)
#endif
#if UINTPTR_MAX == UINT64_MAX
STADION_ASSERT_(sizeof(stadion_error) == 512, "stadion_error layout");
STADION_ASSERT_(sizeof(stadion_option) == 32, "stadion_option layout");
STADION_ASSERT_(sizeof(stadion_device) == 56, "stadion_device layout");
STADION_ASSERT_(sizeof(stadion_buffer) == 40, "stadion_buffer layout");
STADION_ASSERT_(sizeof(stadion_tensor) == 56, "stadion_tensor layout");
STADION_ASSERT_(sizeof(stadion_ticket) == 40, "stadion_ticket layout");
STADION_ASSERT_(sizeof(stadion_host) == 40, "stadion_host layout");
STADION_ASSERT_(sizeof(stadion_request) == 56, "stadion_request layout");
STADION_ASSERT_(offsetof(stadion_plugin, probe) == 40, "stadion_plugin layout");
STADION_ASSERT_(sizeof(stadion_plugin) == 136, "stadion_plugin layout");
#endif

#ifdef __cplusplus
}
#endif
#endif
