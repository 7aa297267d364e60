// The same model in turns in a session of this process and through the host; the difference is what the host adds.
// The session's threads don't spin, nor do those of the runner's. Prints one JSON object.
#include "onnxruntime.h"
#include "turns.h"

struct session {
  void *session, *input;  // the input is a view of `values`
  void *outputs[MAX_OUTPUTS];
  char *input_name, *output_names[MAX_OUTPUTS];
  size_t output_count, value_count;
  char shape[128];  // "1,43844,1"; an open dimension is 1
  float *values;
};

static const char usage[] =
    "usage: ort_inprocess --library libonnxruntime.so --model FILE [--socket PATH --name MODEL] [--runs 50]\n"
    "                     [--core N] [--threads 1]\n";

// Makes the one input: uniform floats of the model's shape.
static void make_input(struct session *session, struct turns turns) {
  void *type, *tensor, *memory;
  int element_type;
  size_t rank, length = 0;
  int64_t dimensions[MAX_RANK];
  ORT(INPUT_TYPE, (void *, size_t, void **), session->session, 0, &type);
  ORT(CAST_TYPE_TO_TENSOR, (void *, void **), type, &tensor);
  ORT(ELEMENT_TYPE, (void *, int *), tensor, &element_type);
  ORT(DIMENSION_COUNT, (void *, size_t *), tensor, &rank);
  if (element_type != FLOAT32 || rank == 0 || rank > MAX_RANK) die("the input is not an FP32 tensor of rank 1...8");
  ORT(DIMENSIONS, (void *, int64_t *, size_t), tensor, dimensions, rank);
  for (size_t i = 0; i < rank; i++) {
    if (dimensions[i] < 1) dimensions[i] = 1;
    length += (size_t)snprintf(session->shape + length, sizeof session->shape - length, i ? ",%lld" : "%lld",
                               (long long)dimensions[i]);
  }
  session->value_count = count_of_shape(session->shape);
  session->values = take_input(turns, session->value_count);
  ORT(CREATE_CPU_MEMORY, (int, int, void **), ARENA_ALLOCATOR, DEFAULT_MEMORY, &memory);
  ORT(CREATE_TENSOR_WITH_DATA, (void *, void *, size_t, const int64_t *, size_t, int, void **), memory, session->values,
      session->value_count * sizeof(float), dimensions, rank, FLOAT32, &session->input);
}

static struct session open_session(struct turns turns) {
  struct session session = {0};
  void *environment, *options, *allocator;
  size_t input_count;
  ORT(CREATE_ENV, (int, const char *, void **), LOG_ERRORS, "bench", &environment);
  ORT(CREATE_SESSION_OPTIONS, (void **), &options);
  ORT(SET_INTRA_OP_THREADS, (void *, int), options, turns.threads);
  ORT(SET_INTER_OP_THREADS, (void *, int), options, 1);
  ORT(ADD_SESSION_CONFIG, (void *, const char *, const char *), options, "session.intra_op.allow_spinning", "0");
  ORT(CREATE_SESSION, (void *, const char *, void *, void **), environment, turns.model, options, &session.session);
  ORT(DEFAULT_ALLOCATOR, (void **), &allocator);
  ORT(INPUT_COUNT, (void *, size_t *), session.session, &input_count);
  ORT(OUTPUT_COUNT, (void *, size_t *), session.session, &session.output_count);
  if (input_count != 1 || session.output_count > MAX_OUTPUTS)
    die("%s: %zu inputs, wanted 1; %zu outputs, at most %d", turns.model, input_count, session.output_count,
        MAX_OUTPUTS);
  ORT(INPUT_NAME, (void *, size_t, void *, char **), session.session, 0, allocator, &session.input_name);
  for (size_t i = 0; i < session.output_count; i++)
    ORT(OUTPUT_NAME, (void *, size_t, void *, char **), session.session, i, allocator, &session.output_names[i]);
  make_input(&session, turns);
  return session;
}

static uint64_t run_here(struct engine *engine) {
  struct session *session = engine->session;
  const char *const *input_names = (const char *const *)&session->input_name;
  const char *const *output_names = (const char *const *)session->output_names;
  uint64_t started = now_ns();
  ORT(RUN, (void *, void *, const char *const *, void *const *, size_t, const char *const *, size_t, void **),
      session->session, NULL, input_names, &session->input, 1, output_names, session->output_count, session->outputs);
  uint64_t ns = now_ns() - started;
  for (size_t i = 0; i < session->output_count; i++) {
    void *info;
    ORT(TENSOR_DATA, (void *, const void **), session->outputs[i], &engine->outputs[i]);
    ORT(TENSOR_TYPE_AND_SHAPE, (void *, void **), session->outputs[i], &info);
    ORT(ELEMENT_COUNT, (void *, size_t *), info, &engine->output_bytes[i]);
    engine->output_bytes[i] *= sizeof(float);
    ORT_VOID(RELEASE_TYPE_AND_SHAPE, (void *), info);
  }
  return ns;
}

static void finish(struct engine *engine) {
  struct session *session = engine->session;
  for (size_t i = 0; i < session->output_count; i++) {
    ORT_VOID(RELEASE_VALUE, (void *), session->outputs[i]);
    session->outputs[i] = NULL;
  }
}

static struct engine open_engine(struct turns turns) {
  static struct session session;
  struct engine engine = {.name = ort_open(turns.library), .session = &session, .run = run_here, .finish = finish};
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
