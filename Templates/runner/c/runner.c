// Multiplies its input by the number in the model's file. Stands in for an engine: put yours where "engine" is written.
// The contract is include/stadion_runner.h, which reads in call order; so does this file.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stadion_runner.h"

static const stadion_host *host;  // Written by `start`, valid until `stop` returns.

// An engine's own state: a context, a thread pool. One per device of the manifest.
struct stadion_runner {
  int unused;
};

// What `load` read: an engine's session.
struct stadion_model {
  float factor;
};

// One input and one output of any length; -1 = known only when a request comes.
static const int64_t any_length[] = {-1};
static const stadion_tensor input_tensor = {
    .struct_size = sizeof input_tensor, .dtype = STADION_F32, .rank = 1, .name = "x", .shape = any_length};
static const stadion_tensor output_tensor = {
    .struct_size = sizeof output_tensor, .dtype = STADION_F32, .rank = 1, .name = "y", .shape = any_length};

// Callers read this text: say what, with which values, and what to do.
__attribute__((format(printf, 3, 4))) static stadion_code fail(stadion_error *error, stadion_code code,
                                                               const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(error->message, sizeof error->message, format, values);
  va_end(values);
  snprintf(error->source, sizeof error->source, "runner");
  return error->code = code;
}

// A word that nobody knows is a mistake somebody wants to see.
static stadion_code check_options(const stadion_option *options, size_t count, stadion_error *error) {
  if (count == 0) return STADION_OK;
  stadion_text key = options[0].key;
  return fail(error, STADION_INVALID_ARGUMENT, "option %.*s is unknown; there are none",
              (int)(key.size < 64 ? key.size : 64), key.data);
}

// -- The plugin: once per process ---------------------------------------------

static stadion_code start(const stadion_host *given, stadion_error *error) {
  (void)error;
  host = given;
  return STADION_OK;
}

static void stop(void) { host = NULL; }

static const stadion_device *device(uint32_t index) {
  static const char *const formats[] = {"@NAME@", NULL};
  static const stadion_device cpu = {
      .struct_size = sizeof cpu,
      .kind = STADION_DEVICE_CPU,
      .kind_name = "cpu",
      .name = "CPU",
      .max_concurrent_runs = 4,  // `run` is called by so many threads at once, per model. 1 if the engine can't.
      .flags = STADION_DEVICE_DYNAMIC_SHAPES | STADION_DEVICE_POLLS_CANCEL,
      .formats = formats,
  };
  return index == 0 ? &cpu : NULL;
}

// -- The runner: the engine, set up for a device ------------------------------

static stadion_code create(const stadion_device *given, const stadion_option *options, size_t count,
                           stadion_runner **out, stadion_error *error) {
  (void)given;                                               // There is only one.
  stadion_code code = check_options(options, count, error);  // Those of the manifest.
  if (code != STADION_OK) return code;
  stadion_runner *runner = calloc(1, sizeof *runner);
  if (!runner) return fail(error, STADION_RESOURCE_EXHAUSTED, "no memory for %zu bytes", sizeof *runner);
  // Start the engine here.
  *out = runner;
  return STADION_OK;
}

static void destroy(stadion_runner *runner) {
  // End the engine here.
  free(runner);
}

// -- Models -------------------------------------------------------------------

// Reads the factor: this is the engine's part.
static stadion_code read_model(const char *path, stadion_model *model, stadion_error *error) {
  FILE *file = fopen(path, "re");
  if (!file) return fail(error, STADION_NOT_FOUND, "the model's file can't be opened");
  int found = fscanf(file, "%f", &model->factor);
  fclose(file);
  if (found != 1) return fail(error, STADION_INVALID_ARGUMENT, "the model's file holds no number");
  return STADION_OK;
}

static stadion_code load(stadion_runner *runner, const stadion_ticket *ticket, stadion_text path,
                         const stadion_option *options, size_t count, stadion_model **out, stadion_error *error) {
  (void)runner, (void)ticket;                                // What takes seconds asks the ticket, as `compute` does.
  stadion_code code = check_options(options, count, error);  // Those of model.json.
  if (code != STADION_OK) return code;
  stadion_model *model = calloc(1, sizeof *model);
  char *file = strndup(path.data, path.size);  // A stadion_text has no zero byte at its end.
  if (!model || !file) code = fail(error, STADION_RESOURCE_EXHAUSTED, "no memory for a model");
  if (code == STADION_OK) code = read_model(file, model, error);
  free(file);
  if (code == STADION_OK) *out = model;
  else free(model);
  return code;
}

static void unload(stadion_model *model) { free(model); }

static const stadion_tensor *signature(const stadion_model *model, bool outputs, uint32_t index) {
  (void)model;
  if (index > 0) return NULL;
  return outputs ? &output_tensor : &input_tensor;
}

// -- Runs ---------------------------------------------------------------------

// The engine's part. `x` and `y` have `count` elements. Returns false once the run is cancelled.
static bool compute(const stadion_model *model, const float *x, float *y, uint64_t count,
                    const stadion_ticket *ticket) {
  const uint64_t step = 65536;  // Elements between two looks at the ticket: some microseconds of work.
  for (uint64_t i = 0; i < count; i++) {
    if (i % step == 0 && ticket->is_cancelled(ticket)) return false;
    y[i] = x[i] * model->factor;
  }
  return true;
}

static stadion_code run(stadion_model *model, const stadion_request *request, stadion_error *error) {
  if (request->wanted_outputs && request->wanted_output_count == 0) return STADION_OK;
  const stadion_tensor *x = request->inputs[0];  // Checked by the host against the signature; borrowed until the end.
  // Memory of the host: what is written into it reaches the client without a copy.
  stadion_buffer *buffer = host->allocate(host, request->ticket, x->byte_size);
  if (!buffer)
    return fail(error, STADION_RESOURCE_EXHAUSTED, "no memory for an output of %llu bytes",
                (unsigned long long)x->byte_size);
  if (!compute(model, x->data, buffer->data, x->byte_size / sizeof(float), request->ticket)) {
    buffer->release(buffer);  // Not emitted, so it is still ours.
    return fail(error, STADION_CANCELLED, "cancelled");
  }
  stadion_tensor y = output_tensor;
  y.shape = x->shape;
  y.data = buffer->data;
  y.byte_size = x->byte_size;
  y.buffer = buffer;
  stadion_code code = request->emit(request, &y, true);  // From here on the buffer is the host's.
  return code == STADION_OK ? code : fail(error, code, "the host refused output %s", y.name);
}

// -- The one exported function ------------------------------------------------

const stadion_plugin *stadion_plugin_entry(uint32_t host_major, uint32_t host_minor) {
  static const stadion_plugin plugin = {
      .struct_size = sizeof plugin,
      .abi_major = STADION_ABI_MAJOR,
      .abi_minor = STADION_ABI_MINOR,
      .id = "@ID@",  // As in the manifest.
      .version = "0.1.0",
      .engine = "factor 1.0",
      .open = start,
      .close = stop,
      .device = device,
      .create = create,
      .destroy = destroy,
      .load = load,
      .unload = unload,
      .signature = signature,
      .run = run,
  };
  (void)host_minor;  // A newer host may ask: struct_size tells it what is here.
  return host_major == STADION_ABI_MAJOR ? &plugin : NULL;
}
