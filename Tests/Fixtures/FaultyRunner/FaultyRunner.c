// The table, and what can be wrong with it: said by the library's file name, <id>+<fault>+<devices>.so.
#include "Faulty.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Atomic uint64_t faulty_counters[SLOT_COUNT][COUNTER_COUNT];
const stadion_host *faulty_host;

static char own_id[129] = "org.stadion.test.faulty";
static char own_fault[64];
static char kinds[4][33] = {"cpu"};
static stadion_device devices[4];
static stadion_plugin table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool is(const char *fault) { return !strcmp(own_fault, fault); }
bool faulty_library_is(const char *fault) { return is(fault); }

static void *sleep_for_ever(void *nothing) {
  while (true) pause();
  return nothing;
}

// As an engine that unloads at exit what its threads are still in.
__attribute__((destructor)) static void unload_at_exit(void) {
  if (is("dies_at_exit")) abort();
}

static void start_thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0) pthread_detach(thread);
}

static void read_own_name(void) {
  Dl_info info;
  if (!dladdr((void *)&faulty_entry, &info) || !info.dli_fname) return;
  const char *slash = strrchr(info.dli_fname, '/');
  char name[512];
  snprintf(name, sizeof name, "%s", slash ? slash + 1 : info.dli_fname);
  char *end = strstr(name, ".so"), *fault = strchr(name, '+');
  if (!fault || !end) return;
  *end = 0;
  *fault++ = 0;
  char *list = strchr(fault, '+');
  if (list) *list++ = 0;
  snprintf(own_id, sizeof own_id, "%.128s", name);
  snprintf(own_fault, sizeof own_fault, "%.63s", fault);
  char *rest = NULL;
  int count = 0;
  for (char *kind = list ? strtok_r(list, ".", &rest) : NULL; kind && count < 4; kind = strtok_r(NULL, ".", &rest))
    snprintf(kinds[count++], sizeof kinds[0], "%.32s", kind);
}

static uint32_t probe(stadion_error *error) {
  if (is("probe_200")) return 200;
  if (!is("probe_0")) return 100;
  faulty_fail(error, STADION_UNSUPPORTED, "this machine lacks a flux capacitor");
  return 0;
}

static stadion_code start(const stadion_host *host, stadion_error *error) {
  faulty_counters[0][COUNT_OPENS]++;
  if (is("open_segv")) *(volatile int *)8 = 1;
  if (is("open_fails")) return faulty_fail(error, STADION_UNAVAILABLE, "the engine's licence has expired");
  faulty_host = host;
  if (is("keeps_thread")) start_thread();
  return STADION_OK;
}

static void stop(void) { faulty_counters[0][COUNT_CLOSES]++; }

static const stadion_device *device(uint32_t index) {
  if (is("endless_devices")) return &devices[0];
  if (is("no_devices") || index >= 4 || !kinds[index][0]) return NULL;
  return &devices[index];
}

static stadion_code create(const stadion_device *device, const stadion_option *options, size_t count,
                           stadion_runner **out, stadion_error *error) {
  static _Atomic int created;
  if (is("creates_once") && created++) return faulty_fail(error, STADION_INTERNAL, "there was one already");
  if (is("create_fails")) return faulty_fail(error, STADION_INTERNAL, "no engine for you");
  stadion_runner *runner = calloc(1, sizeof *runner);
  runner->device = device;
  for (size_t i = 0; i < count; i++) {
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)options[i].key.size, options[i].key.data);
    char own[80];
    snprintf(own, sizeof own, "refuse_load_%s", device->kind_name);
    if (!strcmp(key, "refuse_load") || !strcmp(key, own))
      snprintf(runner->refuse, sizeof runner->refuse, "%.*s", (int)options[i].value.size, options[i].value.data);
  }
  *out = runner;
  return STADION_OK;
}

static void destroy(stadion_runner *runner) { free(runner); }

stadion_code faulty_load(stadion_runner *runner, const stadion_ticket *ticket, stadion_text path,
                         const stadion_option *options, size_t count, stadion_model **out, stadion_error *error);
void faulty_unload(stadion_model *model);
const stadion_tensor *faulty_signature(const stadion_model *model, bool outputs, uint32_t index);
const stadion_option *faulty_metadata(const stadion_model *model, uint32_t index);

static uint64_t get(uint32_t slot, uint32_t counter) { return faulty_counters[slot][counter]; }
static void set(uint32_t slot, uint32_t counter, uint64_t value) { faulty_counters[slot][counter] = value; }
static void say(const char *text) {
  if (faulty_host) faulty_host->log(faulty_host, 0, (stadion_text){text, strlen(text)});
}

static const void *extension(const char *id) {
  if (!strcmp(id, "test.get")) return (const void *)get;
  if (!strcmp(id, "test.set")) return (const void *)set;
  if (!strcmp(id, "test.say")) return (const void *)say;
  return NULL;
}

static void make_table(void) {
  static const char *const formats[] = {"faulty", "flawed", NULL}, *const other[] = {"else", NULL};
  read_own_name();
  for (int i = 0; i < 4; i++)
    devices[i] =
        (stadion_device){.struct_size = is("device_size_0") ? 0 : sizeof devices[i],
                         .kind = STADION_DEVICE_OTHER,
                         .ordinal = (uint32_t)i,
                         .max_concurrent_runs = is("runs_1")   ? 1
                                                : is("runs_0") ? 0
                                                               : 64,
                         .name = "Faulty",
                         .kind_name = is("bad_kind")    ? "C P U"
                                      : is("null_kind") ? NULL
                                                        : kinds[i],
                         .formats = is("few_formats")    ? other
                                    : is("null_formats") ? NULL
                                                         : formats,
                         .flags = is("static_shapes") ? 0
                                                      : STADION_DEVICE_DYNAMIC_SHAPES | STADION_DEVICE_POLLS_CANCEL |
                                                            (is("serial_loads") ? STADION_DEVICE_PARALLEL_LOADS : 0)};
  table = (stadion_plugin){.struct_size = sizeof table,
                           .abi_major = STADION_ABI_MAJOR,
                           .abi_minor = STADION_ABI_MINOR,
                           .id = own_id,
                           .version = "0.0.1",
                           .engine = "faulty 1",
                           .probe = probe,
                           .open = start,
                           .close = stop,
                           .device = device,
                           .create = create,
                           .destroy = destroy,
                           .load = faulty_load,
                           .unload = faulty_unload,
                           .signature = faulty_signature,
                           .metadata = faulty_metadata,
                           .run = faulty_run,
                           .extension = extension};
  if (is("wrong_abi")) table.abi_minor = 7;
  if (is("old_abi_small_table")) table.abi_minor = 0, table.struct_size = 96;
  if (is("size_0")) table.struct_size = 0;
  if (is("size_small")) table.struct_size = 64;
  if (is("size_1mb")) table.struct_size = 1 << 20;
  if (is("id_mismatch")) table.id = "org.other";
  if (is("null_id")) table.id = NULL;
  if (is("no_function")) table.run = NULL;
  if (is("entry_thread")) start_thread();
  if (is("null_version")) table.version = table.engine = NULL;
}

const stadion_plugin *faulty_entry(void) {
  pthread_once(&once, make_table);
  if (is("fresh_table")) return memcpy(malloc(sizeof table), &table, sizeof table);
  return is("null_table") ? NULL : &table;
}

const stadion_plugin *stadion_plugin_entry(uint32_t host_major, uint32_t host_minor) {
  (void)host_minor;
  const stadion_plugin *found = faulty_entry();
  return host_major == STADION_ABI_MAJOR || is("any_major") ? found : NULL;
}
