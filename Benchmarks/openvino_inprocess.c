// The same model in turns in this process, by OpenVINO's C interface, and through the host; the difference is what the
// host adds. The settings are the runner's: f32, one thread is the caller's. Prints one JSON object.
#include "openvino.h"
#include "turns.h"

struct session {
  void *request;
  int (*infer)(void *request);
  char *input_name;
  size_t value_count, output_count;
  char shape[128];  // "1,43844,1"; an open dimension is 1
  float *values;
};

static const char usage[] =
    "usage: openvino_inprocess --library libopenvino_c.so --model FILE [--socket PATH --name MODEL] [--runs 50]\n"
    "                          [--core N] [--threads 1]\n";

// Makes the one input, uniform floats of the model's shape, and gives it to the request.
static void make_input(struct session *session, void *model, struct turns turns) {
  void *port, *tensor;
  int element_type;
  size_t count, length = 0;
  struct ov_partial_shape declared;
  int64_t dimensions[MAX_RANK];
  OV(ov_model_inputs_size, (void *, size_t *), model, &count);
  if (count != 1) die("%zu inputs, wanted 1", count);
  OV(ov_model_const_input_by_index, (void *, size_t, void **), model, 0, &port);
  OV(ov_port_get_any_name, (void *, char **), port, &session->input_name);
  OV(ov_port_get_element_type, (void *, int *), port, &element_type);
  OV(ov_port_get_partial_shape, (void *, struct ov_partial_shape *), port, &declared);
  int64_t rank = declared.rank.max;
  if (element_type != OV_FLOAT32 || rank < 1 || rank > MAX_RANK) die("the input is not an FP32 tensor of rank 1...8");
  for (int64_t i = 0; i < rank; i++) {
    struct ov_dimension size = declared.dimensions[i];
    dimensions[i] = size.min == size.max ? size.max : 1;
    length += (size_t)snprintf(session->shape + length, sizeof session->shape - length, i ? ",%lld" : "%lld",
                               (long long)dimensions[i]);
  }
  session->value_count = count_of_shape(session->shape);
  session->values = take_input(turns, session->value_count);
  struct ov_shape shape = {rank, dimensions};
  OV(ov_tensor_create_from_host_ptr, (int, struct ov_shape, void *, void **), OV_FLOAT32, shape, session->values,
     &tensor);
  OV(ov_infer_request_set_input_tensor_by_index, (void *, size_t, void *), session->request, 0, tensor);
}

static struct session open_session(struct turns turns) {
  struct session session = {0};
  void *core, *model, *compiled;
  char thread_count[16];
  snprintf(thread_count, sizeof thread_count, "%d", turns.threads);
  const struct ov_property settings[] = {
      {"PERFORMANCE_HINT", "LATENCY"},         {"INFERENCE_PRECISION_HINT", "f32"},
      {"EXECUTION_MODE_HINT", "ACCURACY"},     {"NUM_STREAMS", turns.threads > 1 ? "1" : "0"},
      {"INFERENCE_NUM_THREADS", thread_count}, {"ENABLE_CPU_PINNING", "NO"},
  };
  OV(ov_core_create, (void **), &core);
  OV(ov_core_read_model, (void *, const char *, const char *, void **), core, turns.model, NULL, &model);
  OV(ov_core_compile_model_props, (void *, void *, const char *, size_t, const struct ov_property *, void **), core,
     model, "CPU", sizeof settings / sizeof settings[0], settings, &compiled);
  OV(ov_compiled_model_create_infer_request, (void *, void **), compiled, &session.request);
  session.infer = (int (*)(void *))ov_find("ov_infer_request_infer");
  OV(ov_model_outputs_size, (void *, size_t *), model, &session.output_count);
  if (session.output_count > MAX_OUTPUTS) die("over %d outputs", MAX_OUTPUTS);
  make_input(&session, model, turns);
  return session;
}

static uint64_t run_here(struct engine *engine) {
  struct session *session = engine->session;
  uint64_t started = now_ns();
  ov_check(session->infer(session->request), "ov_infer_request_infer");
  uint64_t ns = now_ns() - started;
  for (size_t i = 0; i < engine->output_count; i++) {
    void *tensor;
    OV(ov_infer_request_get_output_tensor_by_index, (void *, size_t, void **), session->request, i, &tensor);
    OV(ov_tensor_data, (void *, const void **), tensor, &engine->outputs[i]);
    OV(ov_tensor_get_byte_size, (void *, size_t *), tensor, &engine->output_bytes[i]);
    ((void (*)(void *))ov_find("ov_tensor_free"))(tensor);
  }
  return ns;
}

// Outputs stay in the request's own memory.
static void finish(struct engine *engine) { (void)engine; }

static struct engine open_engine(struct turns turns) {
  static struct session session;
  struct engine engine = {.name = ov_open(turns.library), .session = &session, .run = run_here, .finish = finish};
  session = open_session(turns);
  engine.input_name = session.input_name;
  engine.shape = session.shape;
  engine.input = session.values;
  engine.input_bytes = session.value_count * sizeof(float);
  engine.output_count = session.output_count;
  return engine;
}

int main(int count, char **arguments) {
  take_turns(begin_turns(count, arguments, usage));
  return 0;
}
