// The same SavedModel in turns in a session of this process and through the host; the difference is what the host adds.
// The session has the settings of the runner's. Prints one JSON object.
#include "tensorflow.h"
#include "turns.h"

struct session {
  void *session, *graph, *input_tensor;  // the tensor is a view of `values`
  struct signature signature;
  struct tf_output input, outputs[MAX_OUTPUTS];
  char shape[128];  // "1,43844,1"; an open dimension is 1
  float *values;
  size_t value_count;
  void *results[MAX_OUTPUTS];
};

static const char usage[] =
    "usage: tensorflow_inprocess --library libtensorflow_cc.so.2 --model FOLDER [--socket PATH --name MODEL]\n"
    "                            [--runs 50] [--core N] [--threads 1]\n";

static void keep(void *data, size_t length, void *context) { (void)data, (void)length, (void)context; }

// Makes the one input: uniform floats of the model's shape.
static void make_input(struct session *session, struct turns turns) {
  struct tensor_info *info = &session->signature.inputs[0];
  size_t length = 0;
  if (info->type != TF_FLOAT32 || info->rank == 0) die("the input is not an FP32 tensor of rank 1...%d", MAX_RANK);
  for (int i = 0; i < info->rank; i++) {
    if (info->dimensions[i] < 1) info->dimensions[i] = 1;
    length += (size_t)snprintf(session->shape + length, sizeof session->shape - length, i ? ",%lld" : "%lld",
                               (long long)info->dimensions[i]);
  }
  session->value_count = count_of_shape(session->shape);
  session->values = take_input(turns, session->value_count);  // aligned, otherwise TensorFlow would copy it
  session->input_tensor = TF_NewTensor(TF_FLOAT32, info->dimensions, info->rank, session->values,
                                       session->value_count * sizeof(float), keep, NULL);
  session->input = find_output(session->graph, info->tensor);
}

static struct session open_session(struct turns turns) {
  struct session session = {0};
  // ConfigProto: threads within an operation, threads for operations, what was saved for a GPU runs here.
  const uint8_t config[] = {0x10, (uint8_t)turns.threads, 0x28, (uint8_t)turns.threads, 0x38, 1};
  const char *const tags[] = {"serve"};
  void *options = TF_NewSessionOptions();
  struct tf_buffer *meta = TF_NewBuffer();
  TF_SetConfig(options, config, sizeof config, tf_status);
  tf_check("TF_SetConfig");
  session.graph = TF_NewGraph();
  session.session = TF_LoadSessionFromSavedModel(options, NULL, turns.model, tags, 1, session.graph, meta, tf_status);
  tf_check(turns.model);
  visit_fields(meta->data, meta->length, visit_meta_graph, &session.signature);
  if (session.signature.input_count != 1 || session.signature.output_count == 0)
    die("%s: the signature serving_default has no input or no output", turns.model);
  for (int i = 0; i < session.signature.output_count; i++)
    session.outputs[i] = find_output(session.graph, session.signature.outputs[i].tensor);
  make_input(&session, turns);
  return session;
}

static uint64_t run_here(struct engine *engine) {
  struct session *session = engine->session;
  uint64_t started = now_ns();
  TF_SessionRun(session->session, NULL, &session->input, &session->input_tensor, 1, session->outputs, session->results,
                session->signature.output_count, NULL, 0, NULL, tf_status);
  uint64_t ns = now_ns() - started;
  tf_check("TF_SessionRun");
  for (size_t i = 0; i < engine->output_count; i++) {
    engine->outputs[i] = TF_TensorData(session->results[i]);
    engine->output_bytes[i] = TF_TensorByteSize(session->results[i]);
  }
  return ns;
}

static void finish(struct engine *engine) {
  struct session *session = engine->session;
  for (size_t i = 0; i < engine->output_count; i++) TF_DeleteTensor(session->results[i]);
}

static struct engine open_engine(struct turns turns) {
  static struct session session;
  struct engine engine = {.name = tf_open(turns.library), .session = &session, .run = run_here, .finish = finish};
  session = open_session(turns);
  engine.input_name = session.signature.inputs[0].key;
  engine.shape = session.shape;
  engine.input = session.values;
  engine.input_bytes = session.value_count * sizeof(float);
  engine.output_count = (size_t)session.signature.output_count;
  return engine;
}

int main(int count, char **arguments) {
  take_turns(begin_turns(count, arguments, usage));
  return 0;
}
