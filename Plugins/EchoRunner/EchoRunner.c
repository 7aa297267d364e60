// Output i repeats input i. The template for a runner in C: it needs nothing but stadion_runner.h.
// Copy it, then put an engine where the options are read (EchoModel.c) and where `run` repeats its input.
#define _POSIX_C_SOURCE 200809L  // nanosleep, clock_gettime
#include <stdlib.h>
#include <time.h>

#include "EchoModel.h"

struct stadion_runner {
  uint64_t delay_ns;  // of each run, spent in computing
};

static stadion_code start(const stadion_host *host, stadion_error *error) {
  (void)host, (void)error;  // Keep `host` to log and to allocate outputs.
  return STADION_OK;
}

static void stop(void) {}

static stadion_code create(const stadion_device *device, const stadion_option *options, size_t count,
                           stadion_runner **out, stadion_error *error) {
  (void)device;
  stadion_runner *runner = calloc(1, sizeof *runner);
  if (!runner) return echo_fail(error, STADION_RESOURCE_EXHAUSTED, "no memory for %zu bytes", sizeof *runner);
  stadion_code code = echo_read_delay(&runner->delay_ns, options, count, error);
  if (code == STADION_OK) *out = runner;
  else free(runner);
  return code;
}

static void destroy(stadion_runner *runner) { free(runner); }

static stadion_code load(stadion_runner *runner, const stadion_ticket *ticket, stadion_text path,
                         const stadion_option *options, size_t count, stadion_model **out, stadion_error *error) {
  (void)ticket, (void)path;  // There is no file: the options are the model.
  stadion_model *model = calloc(1, sizeof *model);
  if (!model) return echo_fail(error, STADION_RESOURCE_EXHAUSTED, "no memory for %zu bytes", sizeof *model);
  model->delay_ns = runner->delay_ns;
  stadion_code code = echo_read_options(model, options, count, error);
  if (code == STADION_OK && model->text[FAIL_LOAD])
    code = echo_fail(error, STADION_INTERNAL, "%s", model->text[FAIL_LOAD]);
  if (code == STADION_OK) *out = model;
  else echo_free(model);
  return code;
}

static void unload(stadion_model *model) { echo_free(model); }

static const stadion_tensor *signature(const stadion_model *model, bool outputs, uint32_t index) {
  return index < model->counts[outputs] ? &model->tensors[outputs][index].tensor : NULL;
}

// What this thread has had of a core.
static uint64_t computed_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static stadion_code run(stadion_model *model, const stadion_request *request, stadion_error *error) {
  // Computing, not sleeping: a sleep of microseconds takes as long as the timer likes.
  for (uint64_t begin = model->delay_ns ? computed_ns() : 0; begin && computed_ns() - begin < model->delay_ns;);
  const struct timespec millisecond = {.tv_nsec = 1000000};
  for (unsigned i = 0; i < model->sleep_ms; i++) {
    if (request->ticket->is_cancelled(request->ticket))
      return echo_fail(error, STADION_CANCELLED, "cancelled after %u of %u ms", i, model->sleep_ms);
    nanosleep(&millisecond, NULL);
  }
  if (model->text[FAIL]) return echo_fail(error, STADION_INTERNAL, "%s", model->text[FAIL]);
  uint32_t count = request->wanted_outputs ? request->wanted_output_count : model->counts[OUTPUTS];
  for (uint32_t i = 0; i < count; i++) {
    uint32_t index = request->wanted_outputs ? request->wanted_outputs[i] : i;
    stadion_tensor output = *request->inputs[index];  // Its data is borrowed: the host copies what it needs.
    output.name = model->names[index];
    output.buffer = NULL;
    stadion_code code = request->emit(request, &output, true);
    if (code != STADION_OK) return echo_fail(error, code, "the host refused output %s", output.name);
  }
  return STADION_OK;
}

static const stadion_device *device(uint32_t index) {
  static const char *const formats[] = {"echo", NULL};
  static const stadion_device cpu = {
      .struct_size = sizeof cpu,
      .kind = STADION_DEVICE_CPU,
      .kind_name = "cpu",
      .name = "CPU",
      .max_concurrent_runs = 64,
      .formats = formats,
      .flags = STADION_DEVICE_DYNAMIC_SHAPES | STADION_DEVICE_POLLS_CANCEL | STADION_DEVICE_PARALLEL_LOADS,
  };
  return index == 0 ? &cpu : NULL;
}

const stadion_plugin *stadion_plugin_entry(uint32_t host_major, uint32_t host_minor) {
  static const stadion_plugin plugin = {
      .struct_size = sizeof plugin,
      .abi_major = STADION_ABI_MAJOR,
      .abi_minor = STADION_ABI_MINOR,
      .id = "org.stadion.echo",
      .version = "0.1.0",
      .engine = "echo 0.1.0",
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
  (void)host_minor;  // A newer host may ask: the table's struct_size tells it what is here.
  return host_major == STADION_ABI_MAJOR ? &plugin : NULL;
}
