// The same model in turns in a session of this process and through the host; the difference is what the host adds.
// The session's threads don't spin, nor do those of the runner's. Prints one JSON object.
#include "onnxruntime.h"
#include "turns.h"

enum { MAX_OUTPUTS = 16, MAX_RANK = 8 };

struct session {
  void *session, *input;  // the input is a view of `values`
  char *input_name, *output_names[MAX_OUTPUTS];
  size_t output_count, value_count;
  char shape[128];  // "1,43844,1"; an open dimension is 1
  float *values;
};

static const char usage[] =
    "usage: ort_inprocess --library libonnxruntime.so --model FILE [--socket PATH --name MODEL] [--runs 50]\n"
    "                     [--core N] [--threads 1]\n";

// Makes the one input: uniform floats of the model's shape.
static void make_input(struct session *session) {
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
  session->values = take_memory(session->value_count * sizeof(float));
  fill_uniform(session->values, session->value_count);
  ORT(CREATE_CPU_MEMORY, (int, int, void **), ARENA_ALLOCATOR, DEFAULT_MEMORY, &memory);
  ORT(CREATE_TENSOR_WITH_DATA, (void *, void *, size_t, const int64_t *, size_t, int, void **), memory, session->values,
      session->value_count * sizeof(float), dimensions, rank, FLOAT32, &session->input);
}

static struct session open_session(const char *model, int threads) {
  struct session session = {0};
  void *environment, *options, *allocator;
  size_t input_count;
  ORT(CREATE_ENV, (int, const char *, void **), LOG_ERRORS, "bench", &environment);
  ORT(CREATE_SESSION_OPTIONS, (void **), &options);
  ORT(SET_INTRA_OP_THREADS, (void *, int), options, threads);
  ORT(SET_INTER_OP_THREADS, (void *, int), options, 1);
  ORT(ADD_SESSION_CONFIG, (void *, const char *, const char *), options, "session.intra_op.allow_spinning", "0");
  ORT(CREATE_SESSION, (void *, const char *, void *, void **), environment, model, options, &session.session);
  ORT(DEFAULT_ALLOCATOR, (void **), &allocator);
  ORT(INPUT_COUNT, (void *, size_t *), session.session, &input_count);
  ORT(OUTPUT_COUNT, (void *, size_t *), session.session, &session.output_count);
  if (input_count != 1 || session.output_count > MAX_OUTPUTS)
    die("%s: %zu inputs, wanted 1; %zu outputs, at most %d", model, input_count, session.output_count, MAX_OUTPUTS);
  ORT(INPUT_NAME, (void *, size_t, void *, char **), session.session, 0, allocator, &session.input_name);
  for (size_t i = 0; i < session.output_count; i++)
    ORT(OUTPUT_NAME, (void *, size_t, void *, char **), session.session, i, allocator, &session.output_names[i]);
  make_input(&session);
  return session;
}

// Nanoseconds of one run; letting go of the outputs is not in it.
static uint64_t run_here(void *context) {
  struct session *session = context;
  void *outputs[MAX_OUTPUTS] = {0};
  const char *const *input_names = (const char *const *)&session->input_name;
  const char *const *output_names = (const char *const *)session->output_names;
  uint64_t started = now_ns();
  ORT(RUN, (void *, void *, const char *const *, void *const *, size_t, const char *const *, size_t, void **),
      session->session, NULL, input_names, &session->input, 1, output_names, session->output_count, outputs);
  uint64_t ns = now_ns() - started;
  for (size_t i = 0; i < session->output_count; i++) ORT_VOID(RELEASE_VALUE, (void *), outputs[i]);
  return ns;
}

int main(int count, char **arguments) {
  struct turns turns = begin_turns(count, arguments, usage);
  const char *version = ort_open(turns.library);
  struct session session = open_session(turns.model, turns.threads);
  take_turns(turns, version, session.input_name, session.shape, run_here, &session);
  return 0;
}
