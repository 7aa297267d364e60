#define _POSIX_C_SOURCE 200809L  // strtok_r
#include "EchoModel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const option_names[] = {"inputs", "outputs", "sleep_ms", "fail", "fail_load"};
static const char *const dtype_names[] = {"?",   "f32", "f16", "bf16", "f64", "i8",   "i16", "i32",
                                          "i64", "u8",  "u16", "u32",  "u64", "bool", "utf8"};

stadion_code echo_fail(stadion_error *error, stadion_code code, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(error->message, sizeof error->message, format, values);
  va_end(values);
  snprintf(error->source, sizeof error->source, "echo");
  return error->code = code;
}

static bool keep_text(stadion_model *model, int which, const char *text, size_t size) {
  char *copy = malloc(size + 1);
  if (!copy) return false;
  memcpy(copy, text, size);
  copy[size] = 0;
  free(model->text[which]);
  model->text[which] = copy;
  return true;
}

void echo_free(stadion_model *model) {
  if (!model) return;
  for (int i = 0; i < OPTION_COUNT; i++) free(model->text[i]);
  for (int list = INPUTS; list <= OUTPUTS; list++) free(model->tensors[list]);
  free(model);
}

// Keeps a copy of each option, so that all that follows works on text with an end.
static stadion_code copy_options(stadion_model *model, const stadion_option *options, size_t count,
                                 stadion_error *error) {
  for (size_t i = 0; i < count; i++) {
    stadion_text key = options[i].key, value = options[i].value;
    int which = 0;
    for (; which < OPTION_COUNT; which++)
      if (strlen(option_names[which]) == key.size && !memcmp(option_names[which], key.data, key.size)) break;
    if (which == OPTION_COUNT)
      return echo_fail(error, STADION_INVALID_ARGUMENT,
                       "option %.*s is unknown; known are inputs, outputs, sleep_ms, fail and fail_load",
                       key.size > MAX_NAME ? 0 : (int)key.size, key.data);
    size_t limit = which >= SLEEP_MS ? MAX_MESSAGE : MAX_TEXT - 1;
    if (value.size == 0 || value.size > limit || memchr(value.data, 0, value.size))
      return echo_fail(error, STADION_INVALID_ARGUMENT, "option %s has %zu bytes; want 1 to %zu and no zero byte",
                       option_names[which], value.size, limit);
    if (!keep_text(model, which, value.data, value.size))
      return echo_fail(error, STADION_RESOURCE_EXHAUSTED, "no memory for %zu bytes", value.size + 1);
  }
  return STADION_OK;
}

// "f32[-1,16]" into type and shape: -1 = any size, [] = a scalar.
static bool read_type(char *text, stadion_tensor *tensor, int64_t *shape) {
  char *open = strchr(text, '['), *end = open;
  if (!open) return false;
  size_t digits = strspn(open + 1, "-0123456789,");  // What strtoll also takes, such as "+1" or " 1", ends here.
  if (strcmp(open + 1 + digits, "]")) return false;
  *open = 0;
  for (tensor->dtype = STADION_UTF8; tensor->dtype > 0; tensor->dtype--)
    if (!strcmp(dtype_names[tensor->dtype], text)) break;
  for (char *dim = open + 1; digits && (dim == open + 1 || *end == ','); dim = end + 1) {
    if (tensor->rank == MAX_RANK) return false;
    long long size = strtoll(dim, &end, 10);  // An overflow gives LLONG_MAX, which is refused.
    if (end == dim || *end == '-' || size < -1 || size >= INT64_MAX) return false;
    shape[tensor->rank++] = size;
  }
  return tensor->dtype != 0;
}

static size_t count_words(const char *text) {
  size_t count = 0;
  for (; *text; text += strcspn(text, " ")) {
    text += strspn(text, " ");
    count += *text != 0;
  }
  return count;
}

// "x:f32[-1,16] y:utf8[]": a name may hold colons, the last one counts. Cuts the text into names.
static bool read_tensors(stadion_model *model, int list) {
  char *rest = NULL;
  for (char *name = strtok_r(model->text[list], " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
    uint32_t index = model->counts[list]++;
    char *colon = strrchr(name, ':');
    if (index == MAX_TENSORS || !colon || colon == name || colon - name > MAX_NAME) return false;
    *colon = 0;
    for (uint32_t i = 0; i < index; i++)
      if (!strcmp(model->tensors[list][i].tensor.name, name)) return false;
    echo_tensor *place = &model->tensors[list][index];
    place->tensor = (stadion_tensor){.struct_size = sizeof place->tensor, .name = name, .shape = place->shape};
    if (!read_type(colon + 1, &place->tensor, place->shape)) return false;
    if (list == OUTPUTS) model->names[index] = name;
  }
  return model->counts[list] > 0;
}

stadion_code echo_read_options(stadion_model *model, const stadion_option *options, size_t count,
                               stadion_error *error) {
  stadion_code code = copy_options(model, options, count, error);
  if (code != STADION_OK) return code;
  const char *inputs = model->text[INPUTS], *sleep = model->text[SLEEP_MS];
  if (!inputs)
    return echo_fail(error, STADION_INVALID_ARGUMENT, "option inputs is missing; write e.g. INPUT0:f32[-1,16]");
  if (!model->text[OUTPUTS] && !keep_text(model, OUTPUTS, inputs, strlen(inputs)))
    return echo_fail(error, STADION_RESOURCE_EXHAUSTED, "no memory for %zu bytes", strlen(inputs) + 1);
  for (int list = INPUTS; list <= OUTPUTS; list++) {
    size_t count = count_words(model->text[list]), room = count < MAX_TENSORS ? count : MAX_TENSORS;
    if (room > 0 && !(model->tensors[list] = calloc(room, sizeof(echo_tensor))))
      return echo_fail(error, STADION_RESOURCE_EXHAUSTED, "no memory for %zu tensors", room);
    if (!read_tensors(model, list))
      return echo_fail(error, STADION_INVALID_ARGUMENT,
                       "option %s, tensor %u: want name:type[dim,dim] with a new name of at most %d bytes, a type of "
                       "f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64 bool utf8, rank at most %d, %d tensors in all",
                       option_names[list], model->counts[list], MAX_NAME, MAX_RANK, MAX_TENSORS);
  }
  for (uint32_t i = 0; i < model->counts[OUTPUTS]; i++) {
    const stadion_tensor *output = &model->tensors[OUTPUTS][i].tensor;
    const stadion_tensor *input = i < model->counts[INPUTS] ? &model->tensors[INPUTS][i].tensor : NULL;
    if (!input || input->dtype != output->dtype)
      return echo_fail(error, STADION_INVALID_ARGUMENT, "output %s is %s but repeats input %u, which is %s",
                       output->name, dtype_names[output->dtype], i + 1, input ? dtype_names[input->dtype] : "missing");
  }
  if (!sleep) sleep = "0";
  if (strspn(sleep, "0123456789") != strlen(sleep) || strlen(sleep) > 7 || atol(sleep) > MAX_SLEEP_MS)
    return echo_fail(error, STADION_INVALID_ARGUMENT, "option sleep_ms is %s; want 0 to %d", sleep, MAX_SLEEP_MS);
  model->sleep_ms = (unsigned)atol(sleep);
  return STADION_OK;
}

stadion_code echo_read_delay(uint64_t *out, const stadion_option *options, size_t count, stadion_error *error) {
  static const char name[] = "delay_ns";
  for (size_t i = 0; i < count; i++) {
    stadion_text key = options[i].key, value = options[i].value;
    if (key.size != sizeof name - 1 || memcmp(key.data, name, key.size)) continue;
    uint64_t number = 0;
    bool fits = value.size > 0 && value.size <= 10;
    for (size_t at = 0; fits && at < value.size; at++) {
      fits = value.data[at] >= '0' && value.data[at] <= '9';
      number = number * 10 + (uint64_t)(value.data[at] - '0');
    }
    if (!fits || number > MAX_DELAY_NS)
      return echo_fail(error, STADION_INVALID_ARGUMENT, "runner option %s is %.*s; want 0 to %d", name,
                       value.size > MAX_NAME ? 0 : (int)value.size, value.data, MAX_DELAY_NS);
    *out = number;
  }
  return STADION_OK;
}
