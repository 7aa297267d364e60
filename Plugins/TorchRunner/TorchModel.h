// One loaded TorchScript file.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <optional>

#include "Options.h"
#include "OutputForm.h"
#include "Signature.h"

struct stadion_model {
  // Throws Failure, and whatever libtorch throws. [control]
  stadion_model(const std::string &path, const ModelOptions &options);

  // [any]
  const stadion_tensor *tensor(bool outputs, uint32_t index) const;
  const stadion_option *metadata(uint32_t index) const { return index == 0 ? &schema_entry : nullptr; }

  // Many at once. Throws as above. [run]
  void run(const stadion_host *host, const stadion_request *request) const;

private:
  torch::jit::Module module;
  std::optional<torch::jit::Method> forward;
  std::string schema;  // "forward(Tensor x) -> Tensor"
  stadion_option schema_entry;
  std::unique_ptr<Signature> inputs, outputs;
  std::optional<OutputForm> form;
  std::vector<c10::IValue> arguments;  // Of forward without the module: defaults, and room for the inputs.
  std::vector<size_t> places;          // Of the inputs among the arguments.
  std::vector<bool> is_written;        // Inputs that forward changes: it gets a copy.

  void read_signature(const ModelOptions &options, const std::string &inputs_text, const std::string &outputs_text);
  void place_inputs();
  void optimize(Optimization level);
  void find_written_inputs();
  c10::IValue value(const stadion_tensor &input, size_t index) const;
  void emit(const stadion_host *host, const stadion_request *request, const c10::IValue &result, size_t index) const;
};
