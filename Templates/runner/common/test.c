// A host of one file: opens the runner, checks its table, and runs requests as the real host does.
//
//     build/test ./lib@NAME@.so models/@NAME@/1/model.@NAME@
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stadion_runner.h"

static int checks, failures, live_buffers;
static bool is_cancelled;
static const stadion_plugin *plugin;
static const stadion_host host;

// Says what went wrong, with the runner's own words if there are any, and goes on.
#define CHECK(condition) check(condition, #condition, __LINE__)
static bool check(bool condition, const char *text, int line) {
  checks++;
  if (!condition) {
    failures++;
    fprintf(stderr, "test.c:%d: not so: %s\n", line, text);
  }
  return condition;
}

// Ends the test where going on makes no sense.
#define NEED(condition)                                                                                                \
  do {                                                                                                                 \
    if (!CHECK(condition)) exit(1);                                                                                    \
  } while (0)

// -- What the host offers -----------------------------------------------------

static void log_message(const stadion_host *from, int32_t level, stadion_text message) {
  (void)from;
  fprintf(stderr, "runner (%d): %.*s\n", level, (int)message.size, message.data);
}

static void release_buffer(stadion_buffer *buffer) {
  live_buffers--;
  free(buffer->data);
  free(buffer);
}

static stadion_buffer *allocate(const stadion_host *from, const stadion_ticket *ticket, uint64_t byte_size) {
  (void)from;
  CHECK(ticket != NULL);
  if (byte_size > 1 << 24) return NULL;  // The quota of this host.
  stadion_buffer *buffer = calloc(1, sizeof *buffer);
  void *data = aligned_alloc(64, (byte_size + 64) / 64 * 64);
  NEED(buffer && data);
  *buffer =
      (stadion_buffer){.struct_size = sizeof *buffer, .data = data, .byte_size = byte_size, .release = release_buffer};
  live_buffers++;
  return buffer;
}

static const void *extension(const stadion_host *from, const char *id) {
  (void)from, (void)id;
  return NULL;
}

static const stadion_host host = {
    .struct_size = sizeof host,
    .abi_minor = STADION_ABI_MINOR,
    .log = log_message,
    .allocate = allocate,
    .extension = extension,
};

static bool ticket_is_cancelled(const stadion_ticket *ticket) { return (void)ticket, is_cancelled; }

static stadion_ticket make_ticket(void) {
  static uint64_t id;
  return (stadion_ticket){.struct_size = sizeof(stadion_ticket), .id = ++id, .is_cancelled = ticket_is_cancelled};
}

// -- One request --------------------------------------------------------------

typedef struct {
  int count;
  int64_t length;
  float values[8];
} answer;

static stadion_code emit(const stadion_request *request, const stadion_tensor *output, bool last) {
  answer *got = request->context;
  got->count++;
  CHECK(last && output->struct_size == sizeof *output && !strcmp(output->name, "y"));
  CHECK(output->dtype == STADION_F32 && output->rank == 1);
  got->length = output->shape[0];
  if (CHECK(output->byte_size == (uint64_t)got->length * sizeof(float) && output->byte_size <= sizeof got->values))
    memcpy(got->values, output->data, output->byte_size);
  if (output->buffer) output->buffer->release(output->buffer);
  return STADION_OK;
}

static stadion_code ask(stadion_model *model, const float *values, int64_t length, answer *got) {
  _Alignas(64) float data[16] = {0};
  if (length > 0) memcpy(data, values, (size_t)length * sizeof(float));
  stadion_tensor x = {.struct_size = sizeof x, .dtype = STADION_F32, .rank = 1, .name = "x", .shape = &length};
  x.data = data;
  x.byte_size = (uint64_t)length * sizeof(float);
  const stadion_tensor *inputs[] = {&x};
  stadion_ticket ticket = make_ticket();
  stadion_request request = {.struct_size = sizeof request, .input_count = 1, .inputs = inputs, .ticket = &ticket};
  request.context = got;
  request.emit = emit;
  stadion_error error = {.struct_size = sizeof error};
  memset(got, 0, sizeof *got);
  stadion_code code = plugin->run(model, &request, &error);
  if (code != STADION_OK) CHECK(error.message[0] != 0);
  return code;
}

// -- The life of a runner -----------------------------------------------------

static void check_table(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) fprintf(stderr, "%s\n", dlerror());
  NEED(library != NULL);
  stadion_entry_fn entry = NULL;
  *(void **)&entry = dlsym(library, STADION_ENTRY_SYMBOL);
  NEED(entry != NULL);
  CHECK(entry(STADION_ABI_MAJOR + 1, 0) == NULL);
  plugin = entry(STADION_ABI_MAJOR, STADION_ABI_MINOR);
  NEED(plugin != NULL && plugin->struct_size == sizeof *plugin);
  CHECK(plugin == entry(STADION_ABI_MAJOR, STADION_ABI_MINOR));
  CHECK(plugin->abi_major == STADION_ABI_MAJOR && plugin->abi_minor == STADION_ABI_MINOR);
  CHECK(plugin->id && !strcmp(plugin->id, "@ID@"));
  CHECK(plugin->version && plugin->version[0]);
  NEED(plugin->open && plugin->close && plugin->device && plugin->create && plugin->destroy);
  NEED(plugin->load && plugin->unload && plugin->signature && plugin->run);
}

static const stadion_device *check_device(void) {
  const stadion_device *device = plugin->device(0);
  NEED(device != NULL && device->kind_name && device->formats && device->formats[0]);
  CHECK(plugin->device(1000000) == NULL);
  CHECK(device->struct_size == sizeof *device && device->max_concurrent_runs > 0);
  CHECK(!strcmp(device->formats[0], "@NAME@"));
  return device;
}

static void check_runs(stadion_model *model) {
  const float values[] = {1, -2.5F, 0};
  answer got;
  CHECK(ask(model, values, 3, &got) == STADION_OK && got.count == 1 && got.length == 3);
  CHECK(got.values[0] == 2 && got.values[1] == -5 && got.values[2] == 0);
  CHECK(ask(model, values, 1, &got) == STADION_OK && got.length == 1 && got.values[0] == 2);
  CHECK(ask(model, values, 0, &got) == STADION_OK && got.count == 1 && got.length == 0);
  is_cancelled = true;
  stadion_code code = ask(model, values, 3, &got);
  CHECK(code == STADION_CANCELLED || code == STADION_OK);
  is_cancelled = false;
  CHECK(live_buffers == 0);
}

int main(int count, char **arguments) {
  if (count != 3) return fprintf(stderr, "usage: %s LIBRARY MODEL\n", arguments[0]), 2;
  check_table(arguments[1]);
  stadion_error error = {.struct_size = sizeof error};
  NEED(plugin->open(&host, &error) == STADION_OK);
  stadion_runner *runner = NULL;
  NEED(plugin->create(check_device(), NULL, 0, &runner, &error) == STADION_OK && runner);

  stadion_ticket ticket = make_ticket();
  stadion_model *model = NULL;
  stadion_text nothing = {"/nonexistent/model", strlen("/nonexistent/model")};
  CHECK(plugin->load(runner, &ticket, nothing, NULL, 0, &model, &error) != STADION_OK && !model && error.message[0]);

  char path[PATH_MAX];
  NEED(realpath(arguments[2], path) != NULL);
  stadion_text file = {path, strlen(path)};
  const stadion_option option = {.key = {"nonsense", 8}, .value = {"1", 1}};
  CHECK(plugin->load(runner, &ticket, file, &option, 1, &model, &error) == STADION_INVALID_ARGUMENT && !model);
  CHECK(strstr(error.message, "nonsense") != NULL);
  for (int round = 0; round < 3; round++) {  // What a first load leaves behind shows in the second.
    stadion_code code = plugin->load(runner, &ticket, file, NULL, 0, &model, &error);
    if (code != STADION_OK) fprintf(stderr, "%s\n", error.message);
    NEED(code == STADION_OK && model);
    const stadion_tensor *x = plugin->signature(model, false, 0), *y = plugin->signature(model, true, 0);
    NEED(x && y && !plugin->signature(model, false, 1) && !plugin->signature(model, true, 1));
    CHECK(!strcmp(x->name, "x") && x->dtype == STADION_F32 && x->rank == 1 && x->shape[0] == -1);
    CHECK(!strcmp(y->name, "y") && y->dtype == STADION_F32 && y->rank == 1 && y->shape[0] == -1);
    check_runs(model);
    plugin->unload(model);
    model = NULL;
  }
  plugin->destroy(runner);
  plugin->destroy(NULL);
  plugin->unload(NULL);
  plugin->close();
  if (failures) return fprintf(stderr, "%d of %d checks failed\n", failures, checks), 1;
  printf("ok: %d checks of %s\n", checks, plugin->id);
  return 0;
}
