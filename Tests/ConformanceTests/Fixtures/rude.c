// A runner that breaks the rules which only a process of its own survives. Option `fault` says how, RUDE_… what is
// wrong with the file. X f32[-1] → Y, Z.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stadion_runner.h"

struct stadion_runner {
  int unused;
};
struct stadion_model {
  char fault[32];
};

#ifdef RUDE_TLS
static __thread char room[RUDE_TLS] __attribute__((tls_model("initial-exec")));
#endif
#ifdef RUDE_UNDEFINED
void nobody_defines_this(void);
#endif

static const stadion_host *host;
static const void *kept;
static float scratch[64];

static const int64_t dynamic[1] = {-1};
static const stadion_tensor x = {
    .struct_size = sizeof x, .dtype = STADION_F32, .rank = 1, .name = "X", .shape = dynamic};
static const stadion_tensor y = {
    .struct_size = sizeof y, .dtype = STADION_F32, .rank = 1, .name = "Y", .shape = dynamic};
static const stadion_tensor z = {
    .struct_size = sizeof z, .dtype = STADION_F32, .rank = 1, .name = "Z", .shape = dynamic};

static stadion_code start(const stadion_host *given, stadion_error *error) {
  (void)error;
  host = given;
  return STADION_OK;
}
static void stop(void) {
#ifdef RUDE_TLS
  room[0]++;
#endif
#ifdef RUDE_UNDEFINED
  nobody_defines_this();
#endif
}

static const char *const formats[] = {"rude", NULL};
static const stadion_device only = {.struct_size = sizeof only,
                                    .kind = STADION_DEVICE_CPU,
                                    .max_concurrent_runs = 4,
                                    .name = "Rude",
                                    .formats = formats,
                                    .kind_name = "cpu"};
static const stadion_device *device(uint32_t index) { return index == 0 ? &only : NULL; }

static stadion_code create(const stadion_device *given, const stadion_option *options, size_t count,
                           stadion_runner **out, stadion_error *error) {
  (void)given, (void)options, (void)count, (void)error;
  *out = calloc(1, sizeof **out);
  return STADION_OK;
}
static void destroy(stadion_runner *runner) { free(runner); }

static stadion_code load(stadion_runner *runner, const stadion_ticket *ticket, stadion_text path,
                         const stadion_option *options, size_t count, stadion_model **out, stadion_error *error) {
  (void)runner, (void)ticket, (void)path;
  stadion_model *model = calloc(1, sizeof *model);
  for (size_t i = 0; i < count; i++)
    if (options[i].key.size == 5 && !memcmp(options[i].key.data, "fault", 5))
      snprintf(model->fault, sizeof model->fault, "%.*s", (int)options[i].value.size, options[i].value.data);
  if (!strcmp(model->fault, "touches_out") || !strcmp(model->fault, "error_overrun")) {
    snprintf(error->message, sizeof error->message, "as told");
    if (!strcmp(model->fault, "touches_out")) *out = model;
    else memset(error + 1, '!', 8);
    return STADION_INTERNAL;
  }
  *out = model;
  return STADION_OK;
}
static void unload(stadion_model *model) {
  if (model && strcmp(model->fault, "leaks")) free(model);
}

static const stadion_tensor *signature(const stadion_model *model, bool outputs, uint32_t index) {
  (void)model;
  if (!outputs) return index == 0 ? &x : NULL;
  return index == 0 ? &y : index == 1 ? &z : NULL;
}

static stadion_code run(stadion_model *model, const stadion_request *request, stadion_error *error) {
  const char *fault = model->fault;
  const stadion_tensor *input = request->inputs[0];
  volatile float *values = input->data;
  if (!strcmp(fault, "crashes")) *(volatile int *)8 = 1;
  if (!strcmp(fault, "aborts")) abort();
  if (!strcmp(fault, "exits")) _exit(7);
  if (!strcmp(fault, "prints")) printf("hello\n"), fflush(stdout);
  if (!strcmp(fault, "writes_input")) values[0] = 1;
  if (!strcmp(fault, "overreads")) (void)values[(input->byte_size + 63) / 64 * 16];
  if (!strcmp(fault, "keeps_input")) {
    if (kept) (void)*(volatile const float *)kept;
    kept = input->data;
  }
  if (!strcmp(fault, "leaks")) memset(malloc(100000), 1, 100000);
  if (!strcmp(fault, "leaks_little")) memset(malloc(6000), 1, 6000);
  if (!strcmp(fault, "loses_buffer")) host->allocate(host, request->ticket, 64);
  if (!strcmp(fault, "trusts_allocate")) {
    stadion_buffer *buffer = host->allocate(host, request->ticket, 64);
    memset(buffer->data, 0, 64);
    buffer->release(buffer);
  }
  if (!strcmp(fault, "misnames_quota")) {
    stadion_buffer *buffer = host->allocate(host, request->ticket, 64);
    if (!buffer) return snprintf(error->message, sizeof error->message, "out of it"), STADION_INTERNAL;
    buffer->release(buffer);
  }
  stadion_tensor output = *input;
  if (!strcmp(fault, "shares_scratch") && input->byte_size <= sizeof scratch) {
    scratch[0] += 1;
    usleep(200);
    scratch[0] -= 1;
    output.data = scratch;
  }
  for (int i = 0; i < 2; i++) {
    output.name = i ? "Z" : "Y";
    if (i && request->wanted_outputs && !strcmp(fault, "forgets_wanted")) break;
    stadion_code code = request->emit(request, &output, true);
    if (code != STADION_OK) return code;
  }
  return STADION_OK;
}

static const stadion_plugin table = {.struct_size = sizeof table,
                                     .abi_major = STADION_ABI_MAJOR,
                                     .abi_minor = STADION_ABI_MINOR,
                                     .id = "org.rude",
                                     .version = "1",
                                     .engine = "rude 1",
                                     .open = start,
                                     .close = stop,
                                     .device = device,
                                     .create = create,
                                     .destroy = destroy,
                                     .load = load,
                                     .unload = unload,
                                     .signature = signature,
                                     .run = run};

const stadion_plugin *stadion_plugin_entry(uint32_t host_major, uint32_t host_minor) {
  (void)host_minor;
  return host_major == STADION_ABI_MAJOR ? &table : NULL;
}
