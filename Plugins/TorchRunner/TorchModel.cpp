#include "TorchModel.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/serialization/import.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "Failure.h"

namespace {

[[noreturn]] void refuse(const std::string &message) { throw Failure(STADION_INVALID_ARGUMENT, message); }

bool takes_tensor(const c10::Argument &argument) { return argument.type()->kind() == c10::TypeKind::TensorType; }

// Memory of the host, given back unless it is emitted.
struct Release {
  void operator()(stadion_buffer *buffer) const { buffer->release(buffer); }
};
using HostBuffer = std::unique_ptr<stadion_buffer, Release>;

}  // namespace

// -- Load

stadion_model::stadion_model(const std::string &path, const ModelOptions &options) {
  // libtorch's own message would tell clients the path.
  if (access(path.c_str(), R_OK) != 0)
    throw Failure(STADION_NOT_FOUND, std::string("the model's file can't be opened: ") + std::strerror(errno));
  // What model.json doesn't say, the file may say of itself.
  torch::jit::ExtraFilesMap extra{{"stadion.inputs", ""}, {"stadion.outputs", ""}};
  module = torch::jit::load(path, c10::Device(c10::kCPU), extra);
  module.eval();
  if (!module.find_method("forward")) refuse("the file has no method forward");
  forward = module.get_method("forward");
  std::ostringstream text;
  text << forward->function().getSchema();
  schema = text.str();
  schema_entry = {{"forward", 7}, {schema.data(), schema.size()}};
  form.emplace(forward->function().getSchema().returns().at(0).type());
  read_signature(options, extra["stadion.inputs"], extra["stadion.outputs"]);
  place_inputs();
  optimize(options.optimization);
  find_written_inputs();
}

void stadion_model::read_signature(const ModelOptions &options, const std::string &inputs_text,
                                   const std::string &outputs_text) {
  bool has_inputs = options.has_inputs || !inputs_text.empty(),
       has_outputs = options.has_outputs || !outputs_text.empty();
  const auto &all = forward->function().getSchema().arguments();
  std::string example;
  for (size_t i = 1; i < all.size(); i++)
    if (takes_tensor(all[i])) example += (example.empty() ? "" : " ") + all[i].name() + ":f32[-1,3]";
  if (!has_outputs || (!has_inputs && !example.empty()))
    refuse("TorchScript keeps no types and shapes; write the model's own (-1 = any size) into its model.json, like "
           "\"options\": {\"inputs\": \"" +
           example + "\", \"outputs\": \"" + form->example() + "\"}");
  inputs = std::make_unique<Signature>(options.has_inputs ? options.inputs : inputs_text, "inputs");
  outputs = std::make_unique<Signature>(options.has_outputs ? options.outputs : outputs_text, "outputs");
  form->check(*outputs);
}

void stadion_model::place_inputs() {
  const auto &all = forward->function().getSchema().arguments();
  places.assign(inputs->size(), 0);
  for (size_t i = 1; i < all.size(); i++) {  // The first is the module.
    const c10::Argument &argument = all[i];
    size_t index = 0;
    while (index < inputs->size() && (*inputs)[index].name != argument.name()) index++;
    if (index < inputs->size()) {
      bool may_be_none = argument.type()->kind() == c10::TypeKind::OptionalType;
      if (!takes_tensor(argument) && !(may_be_none && c10::TensorType::get()->isSubtypeOf(*argument.type())))
        throw Failure(STADION_UNSUPPORTED, "argument " + argument.name() + " of forward is " +
                                               argument.type()->annotation_str() + "; inputs are tensors");
      places[index] = i;
    } else if (!argument.default_value()) {
      refuse("option inputs lacks " + argument.name() + " of " + schema);
    }
    arguments.push_back(argument.default_value().value_or(c10::IValue()));
  }
  for (size_t index = 0; index < places.size(); index++)
    if (places[index]-- == 0)
      refuse("option inputs names " + (*inputs)[index].name + ", which is no argument of " + schema);
}

void stadion_model::optimize(Optimization level) {
  if (level < Optimization::freeze) return;
  module = torch::jit::freeze(module);
  if (level == Optimization::inference) module = torch::jit::optimize_for_inference(module);
  forward = module.get_method("forward");
}

void stadion_model::find_written_inputs() {
  auto graph = forward->graph()->copy();
  torch::jit::Inline(*graph);
  torch::jit::AliasDb aliases(graph);
  for (size_t place : places) is_written.push_back(aliases.hasWriters(graph->inputs().at(place + 1)));
}

// -- Run

const stadion_tensor *stadion_model::tensor(bool outputs, uint32_t index) const {
  return (outputs ? this->outputs : inputs)->tensor(index);
}

void stadion_model::run(const stadion_host *host, const stadion_request *request) const {
  if (request->ticket->is_cancelled(request->ticket)) throw Failure(STADION_CANCELLED, "cancelled before it began");
  if (request->input_count != inputs->size())
    refuse("the model has " + std::to_string(inputs->size()) + " inputs, and " + std::to_string(request->input_count) +
           " were given");
  at::internal::lazy_init_num_threads();  // Of this thread: libraries below libtorch would take all cores.
  c10::InferenceMode inference;
  std::vector<c10::IValue> values = arguments;
  for (size_t i = 0; i < inputs->size(); i++) values[places[i]] = value(*request->inputs[i], i);
  c10::IValue result = (*forward)(std::move(values));
  uint32_t count = request->wanted_outputs ? request->wanted_output_count : static_cast<uint32_t>(outputs->size());
  for (uint32_t i = 0; i < count; i++)
    emit(host, request, result, request->wanted_outputs ? request->wanted_outputs[i] : i);
}

// A tensor over the host's memory.
c10::IValue stadion_model::value(const stadion_tensor &input, size_t index) const {
  const DeclaredTensor &declared = (*inputs)[index];
  if (declared.name != input.name)
    refuse("input " + std::to_string(index) + " is " + input.name + "; want " + declared.name);
  c10::IntArrayRef sizes(input.shape, input.rank);
  bool has_size = std::all_of(sizes.begin(), sizes.end(), [](int64_t size) { return size >= 0; });
  if (input.dtype != declared.type->dtype || !has_size || !declared.admits(sizes))
    refuse("input " + declared.name + " is " + description(name(input.dtype), sizes) + "; the model wants " +
           declared.description());
  uint64_t byte_count = declared.type->byte_count;
  for (int64_t size : sizes)
    if (__builtin_mul_overflow(byte_count, static_cast<uint64_t>(size), &byte_count)) byte_count = UINT64_MAX;
  if (byte_count != input.byte_size)
    refuse("input " + declared.name + " has " + std::to_string(input.byte_size) + " bytes; " +
           description(declared.type->name, sizes) + " has " + std::to_string(byte_count));
  at::Tensor tensor = at::from_blob(input.data, sizes, declared.type->scalar);
  return is_written[index] ? tensor.clone() : tensor;
}

void stadion_model::emit(const stadion_host *host, const stadion_request *request, const c10::IValue &result,
                         size_t index) const {
  if (index >= outputs->size()) refuse("there is no output " + std::to_string(index));
  at::Tensor tensor = form->output(result, *outputs, index);
  stadion_tensor output = *outputs->tensor(index);
  output.shape = tensor.sizes().data();
  output.byte_size = tensor.nbytes();
  HostBuffer buffer(host->allocate(host, request->ticket, output.byte_size));
  if (!buffer)
    throw Failure(STADION_RESOURCE_EXHAUSTED, std::string("no memory for output ") + output.name + " of " +
                                                  std::to_string(output.byte_size) + " bytes");
  output.data = buffer->data;
  // One copy, also of what lies in memory in another order.
  if (tensor.is_contiguous() && !tensor.is_neg()) std::memcpy(output.data, tensor.data_ptr(), output.byte_size);
  else at::from_blob(output.data, tensor.sizes(), tensor.scalar_type()).copy_(tensor);
  output.buffer = buffer.release();  // The host's from here on, whatever `emit` returns.
  stadion_code code = request->emit(request, &output, true);
  if (code != STADION_OK) throw Failure(code, std::string("the host refused output ") + output.name);
}
