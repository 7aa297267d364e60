// Options of the manifest and of model.json. A word that nobody knows is a mistake somebody wants to see.
#pragma once

#include <string>

#include "stadion_runner.h"

// How much libtorch rewrites a model before it runs; each includes the ones before it.
enum class Optimization { none, freeze, inference };

struct RunnerOptions {
  int intra_op_threads = 1;
  Optimization optimization = Optimization::none;

  // Throws Failure.
  RunnerOptions(const stadion_option *options, size_t count);
};

struct ModelOptions {
  bool has_inputs = false, has_outputs = false;
  std::string inputs, outputs;
  Optimization optimization;

  // What model.json leaves open is the runner's. Throws Failure.
  ModelOptions(const RunnerOptions &runner, const stadion_option *options, size_t count);
};
