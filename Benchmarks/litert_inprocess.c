// The same model in turns in a compiled model of this process and through the host; the difference is what the host
// adds. Both have static shapes. Prints one JSON object.
#include "litert.h"
#include "turns.h"

struct compiled {
  void *model;
  const char *input_name;
  char shape[128];  // "1,43844,1"; an open dimension is 1
  size_t input_bytes, output_count, output_bytes[MAX_OUTPUTS];
  void *input, *outputs[MAX_OUTPUTS];
  float *input_memory;
  void *output_memory[MAX_OUTPUTS];
  int (*run)(void *, size_t, size_t, void **, size_t, void **);
};

static const char usage[] =
    "usage: litert_inprocess --library libLiteRt.so --model FILE [--socket PATH --name MODEL] [--runs 50]\n"
    "                        [--core N] [--threads 1]\n";

static void *compile(void *environment, void *model, int threads) {
  void *options, *xnnpack, *compiled;
  char settings[32];
  snprintf(settings, sizeof settings, "num_threads = %d\n", threads);
  LITERT(LiteRtCreateOptions, (void **), &options);
  LITERT(LiteRtSetOptionsHardwareAccelerators, (void *, int), options, LITERT_CPU);
  LITERT(LiteRtCreateOpaqueOptions, (const char *, void *, void (*)(void *), void **), "xnnpack", strdup(settings),
         free, &xnnpack);
  LITERT(LiteRtAddOpaqueOptions, (void *, void *), options, xnnpack);
  LITERT(LiteRtCreateCompiledModel, (void *, void *, void *, void **), environment, model, options, &compiled);
  return compiled;
}

static size_t bytes_of(const struct litert_type *type) {
  size_t byte_count = sizeof(float);
  for (uint32_t i = 0; i < (type->layout.rank & 127); i++) byte_count *= (size_t)type->layout.dimensions[i];
  return byte_count;
}

// A tensor of `type` in memory that is aligned to 64 bytes, as LiteRT wants it.
static void *make_buffer(const struct litert_type *type, void *memory) {
  void *buffer;
  LITERT(LiteRtCreateTensorBufferFromHostMemory, (const struct litert_type *, void *, size_t, void *, void **), type,
         memory, bytes_of(type), NULL, &buffer);
  return buffer;
}

static struct litert_type type_of(void *tensor) {
  struct litert_type type;
  LITERT(LiteRtGetRankedTensorType, (void *, struct litert_type *), tensor, &type);
  for (uint32_t i = 0; i < (type.layout.rank & 127); i++)
    if (type.layout.dimensions[i] < 1) type.layout.dimensions[i] = 1;
  if (type.element_type != LITERT_FLOAT32) die("a tensor is not FP32");
  return type;
}

// The first signature of the model, its one input full of uniform floats.
static struct compiled open_model(struct turns turns) {
  struct compiled compiled = {0};
  const struct litert_option options[] = {{OPTION_ACCELERATORS, WHOLE_NUMBER, LITERT_CPU},
                                          {OPTION_LOG_SEVERITY, WHOLE_NUMBER, LOG_NOTHING}};
  void *environment, *model, *signature, *tensor;
  size_t input_count, length = 0;
  LITERT(LiteRtCreateEnvironment, (int, const struct litert_option *, void **), 2, options, &environment);
  LITERT(LiteRtCreateModelFromFile, (void *, const char *, void **), environment, turns.model, &model);
  LITERT(LiteRtGetModelSignature, (void *, size_t, void **), model, 0, &signature);
  LITERT(LiteRtGetNumSignatureInputs, (void *, size_t *), signature, &input_count);
  LITERT(LiteRtGetNumSignatureOutputs, (void *, size_t *), signature, &compiled.output_count);
  if (input_count != 1 || compiled.output_count > MAX_OUTPUTS)
    die("%s: %zu inputs, wanted 1; %zu outputs, at most %d", turns.model, input_count, compiled.output_count,
        MAX_OUTPUTS);
  LITERT(LiteRtGetSignatureInputName, (void *, size_t, const char **), signature, 0, &compiled.input_name);
  compiled.model = compile(environment, model, turns.threads);
  compiled.run = (int (*)(void *, size_t, size_t, void **, size_t, void **))litert_symbol("LiteRtRunCompiledModel");

  LITERT(LiteRtGetSignatureInputTensorByIndex, (void *, size_t, void **), signature, 0, &tensor);
  struct litert_type type = type_of(tensor);
  for (uint32_t i = 0; i < (type.layout.rank & 127); i++)
    length += (size_t)snprintf(compiled.shape + length, sizeof compiled.shape - length, i ? ",%d" : "%d",
                               type.layout.dimensions[i]);
  compiled.input_bytes = bytes_of(&type);
  compiled.input_memory = take_input(turns, compiled.input_bytes / sizeof(float));
  compiled.input = make_buffer(&type, compiled.input_memory);
  for (size_t i = 0; i < compiled.output_count; i++) {
    LITERT(LiteRtGetSignatureOutputTensorByIndex, (void *, size_t, void **), signature, i, &tensor);
    type = type_of(tensor);
    compiled.output_bytes[i] = bytes_of(&type);
    if (posix_memalign(&compiled.output_memory[i], 64, compiled.output_bytes[i]) != 0) die("no memory for outputs");
    compiled.outputs[i] = make_buffer(&type, compiled.output_memory[i]);
  }
  return compiled;
}

static uint64_t run_here(struct engine *engine) {
  struct compiled *compiled = engine->session;
  uint64_t started = now_ns();
  int status = compiled->run(compiled->model, 0, 1, &compiled->input, compiled->output_count, compiled->outputs);
  uint64_t ns = now_ns() - started;
  litert_check(status, "LiteRtRunCompiledModel");
  return ns;
}

// Outputs stay where they are.
static void finish(struct engine *engine) { (void)engine; }

static struct engine open_engine(struct turns turns) {
  static struct compiled compiled;
  struct engine engine = {.name = "litert", .session = &compiled, .run = run_here, .finish = finish};
  litert_open(turns.library);
  compiled = open_model(turns);
  engine.input_name = compiled.input_name;
  engine.shape = compiled.shape;
  engine.input = compiled.input_memory;
  engine.input_bytes = compiled.input_bytes;
  engine.output_count = compiled.output_count;
  for (size_t i = 0; i < compiled.output_count; i++) {
    engine.outputs[i] = compiled.output_memory[i];
    engine.output_bytes[i] = compiled.output_bytes[i];
  }
  return engine;
}

int main(int count, char **arguments) {
  take_turns(begin_turns(count, arguments, usage));
  return 0;
}
