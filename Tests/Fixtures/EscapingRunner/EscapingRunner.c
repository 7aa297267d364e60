// The table, and models that say what to try.
#include "Escaping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct stadion_runner {
  int nothing;
};

static stadion_code fail(stadion_error *error, stadion_code code, const char *message) {
  snprintf(error->message, sizeof error->message, "%s", message);
  snprintf(error->source, sizeof error->source, "escaping");
  return error->code = code;
}

static stadion_code start(const stadion_host *host, stadion_error *error) {
  (void)host, (void)error;
  return STADION_OK;
}

static void stop(void) {}

static stadion_code create(const stadion_device *device, const stadion_option *options, size_t count,
                           stadion_runner **out, stadion_error *error) {
  static stadion_runner only;
  (void)device, (void)options, (void)count, (void)error;
  *out = &only;
  return STADION_OK;
}

static void destroy(stadion_runner *runner) { (void)runner; }

static void set_option(stadion_model *model, const char *key, const char *value) {
  if (!strcmp(key, "attempt")) snprintf(model->attempt, sizeof model->attempt, "%s", value);
  if (!strcmp(key, "argument")) snprintf(model->argument, sizeof model->argument, "%s", value);
}

// Lines key=value of the model's file, where it has one.
static void read_file(stadion_model *model, stadion_text path) {
  char name[4096], line[4200];
  struct stat status;
  snprintf(name, sizeof name, "%.*s", (int)path.size, path.data);
  if (stat(name, &status) != 0 || !S_ISREG(status.st_mode)) return;
  FILE *file = fopen(name, "r");
  while (file && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *equals = strchr(line, '=');
    if (equals) *equals = 0, set_option(model, line, equals + 1);
  }
  if (file) fclose(file);
}

static stadion_code load(stadion_runner *runner, const stadion_ticket *ticket, stadion_text path,
                         const stadion_option *options, size_t count, stadion_model **out, stadion_error *error) {
  (void)runner, (void)ticket;
  stadion_model *model = calloc(1, sizeof *model);
  if (!model) return fail(error, STADION_RESOURCE_EXHAUSTED, "no memory for a model");
  for (size_t i = 0; i < count; i++) {
    char key[64], value[4096];
    snprintf(key, sizeof key, "%.*s", (int)options[i].key.size, options[i].key.data);
    snprintf(value, sizeof value, "%.*s", (int)options[i].value.size, options[i].value.data);
    set_option(model, key, value);
  }
  read_file(model, path);
  *out = model;
  return STADION_OK;
}

static void unload(stadion_model *model) { free(model); }

static const int64_t one[] = {1};

static const stadion_tensor *signature(const stadion_model *model, bool outputs, uint32_t index) {
  static const stadion_tensor output = {
      .struct_size = sizeof output, .dtype = STADION_I32, .rank = 1, .name = "ERRNO", .shape = one};
  (void)model;
  return outputs && index == 0 ? &output : NULL;
}

static stadion_code run(stadion_model *model, const stadion_request *request, stadion_error *error) {
  int32_t code = escaping_attempt(model);
  stadion_tensor output = *signature(model, true, 0);
  output.data = &code;
  output.byte_size = sizeof code;
  stadion_code answer = request->emit(request, &output, true);
  return answer == STADION_OK ? answer : fail(error, answer, "the host refused the output");
}

static const stadion_device *device(uint32_t index) {
  static const char *const formats[] = {"escaping", NULL};
  static const stadion_device cpu = {
      .struct_size = sizeof cpu,
      .kind = STADION_DEVICE_CPU,
      .kind_name = "cpu",
      .name = "CPU",
      .max_concurrent_runs = 1,
      .formats = formats,
  };
  return index == 0 ? &cpu : NULL;
}

const stadion_plugin *stadion_plugin_entry(uint32_t host_major, uint32_t host_minor) {
  static const stadion_plugin plugin = {
      .struct_size = sizeof plugin,
      .abi_major = STADION_ABI_MAJOR,
      .abi_minor = STADION_ABI_MINOR,
      .id = "org.stadion.test.escaping",
      .version = "0.0.1",
      .engine = "escaping 1",
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
  (void)host_minor;
  return host_major == STADION_ABI_MAJOR ? &plugin : NULL;
}
