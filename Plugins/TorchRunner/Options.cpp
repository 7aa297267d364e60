#include "Options.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "Failure.h"

namespace {

std::string_view view(stadion_text text) { return {text.data, text.size}; }

std::string quoted(std::string_view text) { return "\"" + std::string(text.substr(0, 64)) + "\""; }

[[noreturn]] void refuse(const std::string &message) { throw Failure(STADION_INVALID_ARGUMENT, message); }

int threads(std::string_view text) {
  int most = static_cast<int>(std::clamp(sysconf(_SC_NPROCESSORS_ONLN), 1L, 4096L)), number = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < 1 || number > most)
    refuse("option intra_op_threads is " + quoted(text) + "; want 1 to " + std::to_string(most));
  return number;
}

Optimization optimization(std::string_view text) {
  constexpr std::pair<std::string_view, Optimization> words[] = {
      {"none", Optimization::none}, {"freeze", Optimization::freeze}, {"inference", Optimization::inference}};
  for (auto [word, level] : words)
    if (word == text) return level;
  refuse("option optimization is " + quoted(text) + "; want none, freeze or inference");
}

}  // namespace

RunnerOptions::RunnerOptions(const stadion_option *options, size_t count) {
  for (size_t i = 0; i < count; i++) {
    std::string_view key = view(options[i].key), value = view(options[i].value);
    if (key == "intra_op_threads") intra_op_threads = threads(value);
    else if (key == "optimization") optimization = ::optimization(value);
    else refuse("option " + quoted(key) + " is unknown; the manifest's are intra_op_threads and optimization");
  }
}

ModelOptions::ModelOptions(const RunnerOptions &runner, const stadion_option *options, size_t count)
    : optimization(runner.optimization) {
  for (size_t i = 0; i < count; i++) {
    std::string_view key = view(options[i].key), value = view(options[i].value);
    if (key == "inputs") {
      inputs = value;
      has_inputs = true;
    } else if (key == "outputs") {
      outputs = value;
      has_outputs = true;
    } else if (key == "optimization") {
      optimization = ::optimization(value);
    } else if (key == "intra_op_threads") {
      refuse("option intra_op_threads counts for all models: write it into the runner's manifest");
    } else {
      refuse("option " + quoted(key) + " is unknown; a model's are inputs, outputs and optimization");
    }
  }
}
