// Running: each word of `fault` is one way to go wrong.
#include "Faulty.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const int64_t many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 4};
static const int64_t negative[1] = {-4};
static const int64_t overflowing[3] = {INT64_MAX, INT64_MAX, 4};
static const int64_t wrapping[2] = {INT64_MAX / 2 + 1, 4};  // times 4 bytes it wraps to 0

static void pause_millisecond(void) {
  const struct timespec millisecond = {.tv_nsec = 1000000};
  nanosleep(&millisecond, NULL);
}

stadion_code faulty_wait(const stadion_model *model, const stadion_ticket *ticket, stadion_error *error) {
  stadion_error nowhere;
  if (!error) error = &nowhere;
  for (uint32_t waited = 0; !faulty_counters[model->slot][COUNT_GO]; waited++) {
    if (ticket && ticket->is_cancelled(ticket)) return faulty_fail(error, STADION_CANCELLED, "cancelled as asked");
    if (waited >= model->patience_ms) return faulty_fail(error, STADION_INTERNAL, "nobody told it to go on");
    pause_millisecond();
  }
  return STADION_OK;
}

// -- Buffers of the runner's own ----------------------------------------------

static void release(stadion_buffer *buffer) {
  _Atomic uint64_t *counters = buffer->context;
  counters[COUNT_RELEASED]++;
  free(buffer->data);
  free(buffer);
}

static void keep(stadion_buffer *buffer) { (void)buffer; }

static stadion_buffer *make_buffer(_Atomic uint64_t *counters, uint64_t size) {
  stadion_buffer *buffer = calloc(1, sizeof *buffer);
  *buffer = (stadion_buffer){.struct_size = sizeof *buffer,
                             .data = aligned_alloc(64, (size + 63) / 64 * 64 + 64),
                             .byte_size = size,
                             .context = counters,
                             .release = release};
  counters[COUNT_MADE]++;
  return buffer;
}

// -- Emitting too late --------------------------------------------------------

static void *emit_late(void *argument) {
  stadion_model *model = argument;
  _Atomic uint64_t *counters = faulty_counters[model->slot];
  if (!faulty_is(model, "emits_soon") && faulty_wait(model, NULL, NULL) != STADION_OK) return NULL;
  for (int i = 0; i < 20; i++) pause_millisecond();  // `run` returns
  const int64_t shape[1] = {1};
  stadion_buffer *buffer = make_buffer(counters, 4);
  stadion_tensor late = {.struct_size = sizeof late,
                         .dtype = STADION_F32,
                         .rank = 1,
                         .name = "Y",
                         .shape = shape,
                         .data = buffer->data,
                         .byte_size = 4,
                         .buffer = buffer};
  counters[COUNT_LATE] = 1 + (uint64_t)model->late_request->emit(model->late_request, &late, true);
  return NULL;
}

// -- Waiting ------------------------------------------------------------------

static stadion_code wait_as_told(stadion_model *model, const stadion_request *request, stadion_error *error) {
  _Atomic uint64_t *counters = faulty_counters[model->slot];
  if (faulty_is(model, "miscodes_cancel") && request->ticket->is_cancelled(request->ticket))
    return faulty_fail(error, STADION_INTERNAL, "an exception of the engine: interrupted");
  bool polls = faulty_is(model, "polls_cancel");
  if (polls || faulty_is(model, "ignores_cancel")) {
    stadion_code code = faulty_wait(model, polls ? request->ticket : NULL, error);
    if (code == STADION_CANCELLED) counters[COUNT_CANCELLED]++;
    if (code != STADION_OK) return code;
  }
  for (uint32_t i = 0; i < model->ms; i++) pause_millisecond();
  return STADION_OK;
}

// -- Outputs ------------------------------------------------------------------

static stadion_code emit_buffers(stadion_model *model, const stadion_request *request, stadion_tensor *y) {
  _Atomic uint64_t *counters = faulty_counters[model->slot];
  bool own = strstr(model->fault, "own") != NULL;
  stadion_buffer *buffer =
      own ? make_buffer(counters, y->byte_size) : faulty_host->allocate(faulty_host, request->ticket, y->byte_size);
  if (!buffer) return STADION_RESOURCE_EXHAUSTED;
  if (faulty_is(model, "own_reused")) {
    if (!model->reused) {
      model->reused = buffer;
      buffer->release = keep;
    } else if (buffer != model->reused) {
      release(buffer);
      buffer = model->reused;
      buffer->byte_size = y->byte_size;
    }
  }
  memcpy(buffer->data, y->data, y->byte_size);
  y->data = buffer->data;
  y->buffer = buffer;
  if (faulty_is(model, "own_wrong_type")) y->dtype = STADION_I32;
  if (faulty_is(model, "own_wrong_name")) y->name = "nobody";
  if (faulty_is(model, "own_short_buffer")) buffer->byte_size = 1;
  if (faulty_is(model, "own_elsewhere")) y->data = (void *)many;
  if (faulty_is(model, "own_tensor_no_size")) y->struct_size = 0;
  if (faulty_is(model, "own_no_release")) buffer->release = NULL;
  if (faulty_is(model, "host_overrun")) ((char *)buffer->data)[y->byte_size] = 1;
  if (faulty_is(model, "host_overrun_far")) ((volatile char *)buffer->data)[(y->byte_size + 63) / 64 * 64] = 1;
  if (faulty_is(model, "host_buffer_spoiled")) buffer->data = NULL, buffer->byte_size = UINT64_MAX / 2;
  if (faulty_is(model, "host_given_back")) {
    buffer->release(buffer);
    return STADION_OK;
  }
  stadion_code code = request->emit(request, y, true);
  if (faulty_is(model, "host_touched") || faulty_is(model, "own_changed")) ((volatile char *)buffer->data)[0] ^= 1;
  if (faulty_is(model, "host_given_back_too")) buffer->release(buffer);
  if (strstr(model->fault, "emitted_twice")) code = request->emit(request, y, true);
  if (strstr(model->fault, "for_two")) {
    y->name = "Z";
    code = request->emit(request, y, true);
  }
  return code;
}

static stadion_code emit_wrongly(stadion_model *model, const stadion_request *request, stadion_tensor *y) {
  if (faulty_is(model, "wrong_name")) y->name = "nobody";
  if (faulty_is(model, "null_name")) y->name = NULL;
  if (faulty_is(model, "wrong_type")) y->dtype = STADION_I32;
  if (faulty_is(model, "bad_type")) y->dtype = 99;
  if (faulty_is(model, "rank_9")) y->rank = 9, y->shape = many;
  if (faulty_is(model, "rank_huge")) y->rank = UINT32_MAX;
  if (faulty_is(model, "negative_dim")) y->shape = negative;
  if (faulty_is(model, "overflowing_shape")) y->rank = 3, y->shape = overflowing;
  if (faulty_is(model, "wrapping_shape")) y->rank = 2, y->shape = wrapping, y->byte_size = 0;
  if (faulty_is(model, "null_shape")) y->shape = NULL;
  if (faulty_is(model, "size_too_large")) y->byte_size += 4;
  if (faulty_is(model, "size_too_small")) y->byte_size -= 1;
  if (faulty_is(model, "size_huge")) y->byte_size = UINT64_MAX;
  if (faulty_is(model, "null_data")) y->data = NULL;
  if (faulty_is(model, "no_tensor_size")) y->struct_size = 0;
  if (faulty_is(model, "null_tensor")) return request->emit(request, NULL, true);
  if (faulty_is(model, "null_request")) return request->emit(NULL, y, true);
  if (faulty_is(model, "in_parts")) return request->emit(request, y, false);
  if (faulty_is(model, "forgets_output")) return STADION_OK;
  stadion_code code = request->emit(request, y, true);
  if (faulty_is(model, "emits_twice")) code = request->emit(request, y, true);
  if (faulty_is(model, "ignores_refusal")) request->emit(request, NULL, true);
  return code;
}

static stadion_code fail_as_told(stadion_model *model, stadion_error *error) {
  if (faulty_is(model, "error_without_nul")) memset(error->message, 'e', sizeof error->message);
  else if (faulty_is(model, "error_not_utf8")) memset(error->message, 0xFF, 8);
  else if (!faulty_is(model, "no_error_text")) faulty_fail(error, model->code, "as told");
  error->native_code = 42;
  return model->code;
}

static void log_as_told(stadion_model *model) {
  if (faulty_is(model, "huge_log")) {
    size_t size = 10 << 20;
    char *text = malloc(size);
    memset(text, 'L', size);
    faulty_host->log(faulty_host, -5, (stadion_text){text, size});
    free(text);
  }
  if (faulty_is(model, "null_log")) faulty_host->log(faulty_host, 99, (stadion_text){NULL, SIZE_MAX});
}

static stadion_code answer(stadion_model *model, const stadion_request *request, stadion_error *error) {
  faulty_process(model, request);
  stadion_code code = wait_as_told(model, request, error);
  if (code != STADION_OK) return code;
  log_as_told(model);
  if (model->code) return fail_as_told(model, error);
  if (faulty_is(model, "loads_alone") && faulty_loads)
    return faulty_fail(error, STADION_INTERNAL, "a model is being loaded");
  if (faulty_is(model, "allocates_too_much"))
    for (int shift = 31; shift < 64; shift++)
      if (!faulty_host->allocate(faulty_host, request->ticket, UINT64_C(1) << shift))
        return faulty_fail(error, STADION_RESOURCE_EXHAUSTED, "no memory");
  const stadion_tensor *x = request->inputs[0];
  uint64_t count = x->byte_size / 4;
  float *values = malloc(x->byte_size + 4);
  for (uint64_t i = 0; i < count; i++) values[i] = ((const float *)x->data)[i] + model->bias;
  stadion_tensor y = *x;
  y.name = "Y";
  y.data = values;
  y.buffer = NULL;
  bool buffers = !strncmp(model->fault, "own", 3) || !strncmp(model->fault, "host", 4);
  code = buffers ? emit_buffers(model, request, &y) : emit_wrongly(model, request, &y);
  if (model->outputs[1] && code == STADION_OK && !strstr(model->fault, "for_two")) {
    y.name = "Z";
    y.data = values;
    y.buffer = NULL;
    code = request->emit(request, &y, true);
  }
  free(values);
  if (faulty_is(model, "ignores_refusal")) return STADION_OK;
  return code == STADION_OK ? code : faulty_fail(error, code, "the host refused an output");
}

stadion_code faulty_run(stadion_model *model, const stadion_request *request, stadion_error *error) {
  _Atomic uint64_t *counters = faulty_counters[model->slot];
  counters[COUNT_RUNS]++;
  counters[COUNT_THREAD] = (uint64_t)syscall(SYS_gettid);
  uint64_t now = ++counters[COUNT_RUNNING], most = counters[COUNT_MOST_RUNNING];
  while (now > most && !atomic_compare_exchange_weak(&counters[COUNT_MOST_RUNNING], &most, now)) {
  }
  stadion_code code = answer(model, request, error);
  if ((faulty_is(model, "late_emit") || faulty_is(model, "emits_soon")) && !model->has_late) {
    model->late_request = request;
    model->has_late = pthread_create(&model->late, NULL, emit_late, model) == 0;
  }
  if (code == STADION_OK && now > 1 && faulty_is(model, "serial_only"))
    code = faulty_fail(error, STADION_INTERNAL, "two runs at once");
  counters[COUNT_RUNNING]--;
  return code;
}
