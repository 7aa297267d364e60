// Loading, and signatures that lie.
#include "Faulty.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Atomic int faulty_loads;

bool faulty_is(const stadion_model *model, const char *fault) { return !strcmp(model->fault, fault); }

stadion_code faulty_fail(stadion_error *error, stadion_code code, const char *message) {
  snprintf(error->message, sizeof error->message, "%s", message);
  return error->code = code;
}

static void set_option(stadion_model *model, const char *key, const char *value) {
  if (!strcmp(key, "fault")) snprintf(model->fault, sizeof model->fault, "%.63s", value);
  if (!strcmp(key, "slot")) model->slot = (uint32_t)atoi(value) % SLOT_COUNT;
  if (!strcmp(key, "outputs")) model->output_count = (uint32_t)atoi(value);
  if (!strcmp(key, "code")) model->code = atoi(value);
  if (!strcmp(key, "load_code")) model->load_code = atoi(value);
  if (!strcmp(key, "patience_ms")) model->patience_ms = (uint32_t)atoi(value);
  if (!strcmp(key, "ms")) model->ms = (uint32_t)atoi(value);
  if (!strcmp(key, "bias")) model->bias = (float)atof(value);
}

// Lines key=value of the model's file, where it has one.
static void read_file(stadion_model *model, stadion_text path) {
  char name[4096], line[256];
  struct stat status;
  if (path.size >= sizeof name) return;
  memcpy(name, path.data, path.size);
  name[path.size] = 0;
  if (stat(name, &status) != 0 || !S_ISREG(status.st_mode)) return;
  FILE *file = fopen(name, "r");
  while (file && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *equals = strchr(line, '=');
    if (equals) *equals = 0, set_option(model, line, equals + 1);
    else if (faulty_library_is("trusts_file")) raise(SIGSEGV);
  }
  if (file) fclose(file);
}

// Waits for the file ".go" in the folder of all models: what a test in another process can do.
static void wait_for_file(const stadion_model *model, stadion_text path) {
  char name[4096];
  snprintf(name, sizeof name, "%.*s/../../.go", (int)path.size, path.data);
  char *file = strstr(name, "/model.faulty/");
  if (!file) return;
  memmove(file, file + strlen("/model.faulty"), strlen(file + strlen("/model.faulty")) + 1);
  for (uint32_t waited = 0; access(name, F_OK) != 0 && waited < model->patience_ms; waited++) usleep(1000);
}

static const int64_t one_dynamic[100] = {-1};
static const int64_t one_below[] = {-2};
#define TENSOR(NAME, TYPE, RANK, SHAPE)                                                                                \
  {.struct_size = sizeof(stadion_tensor), .dtype = TYPE, .rank = RANK, .name = NAME, .shape = SHAPE}
static const stadion_tensor x = TENSOR("X", STADION_F32, 1, one_dynamic);
static const stadion_tensor y = TENSOR("Y", STADION_F32, 1, one_dynamic);
static const stadion_tensor z = TENSOR("Z", STADION_F32, 1, one_dynamic);
static const stadion_tensor other_name = TENSOR("Other", STADION_F32, 1, one_dynamic);
static const stadion_tensor no_name = TENSOR(NULL, STADION_F32, 1, one_dynamic);
static const stadion_tensor empty_name = TENSOR("", STADION_F32, 1, one_dynamic);
static const stadion_tensor rank_100 = TENSOR("Y", STADION_F32, 100, one_dynamic);
static const stadion_tensor type_99 = TENSOR("Y", 99, 1, one_dynamic);
static const stadion_tensor below = TENSOR("Y", STADION_F32, 1, one_below);
static const stadion_tensor no_shape = TENSOR("Y", STADION_F32, 1, NULL);
static const stadion_tensor other_type = TENSOR("Y", STADION_I64, 1, one_dynamic);
static const stadion_tensor no_size = {.dtype = STADION_F32, .rank = 1, .name = "Y", .shape = one_dynamic};

static void choose_signature(stadion_model *model) {
  model->inputs[0] = &x;
  model->outputs[0] = &y;
  if (model->output_count == 2) model->outputs[1] = &z;
  if (faulty_is(model, "sig_null_name")) model->outputs[0] = &no_name;
  if (faulty_is(model, "sig_empty_name")) model->outputs[0] = &empty_name;
  if (faulty_is(model, "sig_duplicate")) model->outputs[1] = &y;
  if (faulty_is(model, "sig_rank_100")) model->outputs[0] = &rank_100;
  if (faulty_is(model, "sig_bad_type")) model->outputs[0] = &type_99;
  if (faulty_is(model, "sig_below")) model->outputs[0] = &below;
  if (faulty_is(model, "sig_null_shape")) model->outputs[0] = &no_shape;
  if (faulty_is(model, "sig_no_size")) model->outputs[0] = &no_size;
  if (faulty_is(model, "sig_i64")) model->outputs[0] = &other_type;
  if (faulty_is(model, "sig_gpu_differs") && !strcmp(model->device->kind_name, "gpu")) {
    model->outputs[0] = &y;
    model->outputs[1] = &other_name;
  }
}

stadion_code faulty_load(stadion_runner *runner, const stadion_ticket *ticket, stadion_text path,
                         const stadion_option *options, size_t count, stadion_model **out, stadion_error *error) {
  stadion_model *model = calloc(1, sizeof *model);
  model->output_count = 1;
  model->patience_ms = PATIENCE_MS;
  model->device = runner->device;
  for (size_t i = 0; i < count; i++) {
    char key[64], value[128];
    snprintf(key, sizeof key, "%.*s", (int)options[i].key.size, options[i].key.data);
    snprintf(value, sizeof value, "%.*s", (int)options[i].value.size, options[i].value.data);
    set_option(model, key, value);
    if (faulty_is(model, "trusts_options") && options[i].key.size >= sizeof key) raise(SIGSEGV);
  }
  read_file(model, path);
  if (faulty_is(model, "load_waits_for_file")) wait_for_file(model, path);
  if (faulty_is(model, "loads_alone")) faulty_loads++, usleep(2000), faulty_loads--;
  _Atomic uint64_t *counters = faulty_counters[model->slot];
  counters[COUNT_LOADS]++;
  faulty_process_load(model);
  stadion_code code = faulty_is(model, "load_waits") ? faulty_wait(model, ticket, error) : STADION_OK;
  static _Atomic int loading;
  if (faulty_library_is("serial_loads")) {
    if (loading++) code = faulty_fail(error, STADION_INTERNAL, "two loads at once");
    usleep(1000);
    loading--;
  }
  if (runner->refuse[0]) code = faulty_fail(error, STADION_UNSUPPORTED, runner->refuse);
  if (model->load_code && code == STADION_OK) code = faulty_fail(error, model->load_code, "the file smells");
  if (faulty_is(model, "miscodes_load") && ticket->is_cancelled(ticket))
    code = faulty_fail(error, STADION_INTERNAL, "an exception of the engine: interrupted");
  bool gives = !faulty_is(model, "load_null");
  if (code != STADION_OK || !gives) {
    free(model);
    return code;
  }
  choose_signature(model);
  counters[COUNT_MODELS]++;
  *out = model;
  return STADION_OK;
}

void faulty_unload(stadion_model *model) {
  if (!model) return;
  if (model->has_late) pthread_join(model->late, NULL);
  faulty_counters[model->slot][COUNT_MODELS]--;
  if (model->reused) free(model->reused->data);
  free(model->reused);
  free(model);
}

const stadion_tensor *faulty_signature(const stadion_model *model, bool outputs, uint32_t index) {
  if (faulty_is(model, "sig_endless")) return outputs ? &y : &x;
  if (index >= (outputs ? 3 : 2)) return NULL;
  if (faulty_is(model, "sig_unstable") && outputs && index == 0)
    return ((stadion_model *)model)->asked++ ? &other_name : &y;
  return outputs ? model->outputs[index] : model->inputs[index];
}

const stadion_option *faulty_metadata(const stadion_model *model, uint32_t index) {
  static const stadion_option good = {{"key", 3}, {"value", 5}}, bad = {{"key", 3}, {"\xFF\xFE", 2}};
  if (faulty_is(model, "meta_endless")) return &good;
  return faulty_is(model, "meta_not_utf8") && index == 0 ? &bad : NULL;
}
