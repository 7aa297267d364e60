// What a TorchScript file doesn't hold: names, element types and shapes, read from text as "x:f32[-1,28,28] n:i64[]".
#pragma once

#include <c10/core/ScalarType.h>
#include <c10/util/ArrayRef.h>

#include <string>
#include <string_view>
#include <vector>

#include "stadion_runner.h"

struct ElementType {
  std::string_view name;
  stadion_dtype dtype;
  c10::ScalarType scalar;
  uint64_t byte_count;
};

// One input or output; -1 in its shape is any size.
struct DeclaredTensor {
  std::string name;
  const ElementType *type;
  std::vector<int64_t> shape;

  bool admits(c10::IntArrayRef sizes) const;
  std::string description() const;  // "f32[-1,28,28]"
};

std::string description(std::string_view type, c10::IntArrayRef sizes);
// As options write it; libtorch's or the contract's number where options have no word for it.
std::string name(c10::ScalarType type);
std::string name(stadion_dtype type);

// The inputs or the outputs of a model. Not movable: the tensors point into it.
class Signature {
public:
  // `what`, "inputs" or "outputs", names the option in messages. Throws Failure.
  Signature(std::string_view text, const char *what);
  Signature(const Signature &) = delete;

  size_t size() const { return declared.size(); }
  const DeclaredTensor &operator[](size_t index) const { return declared[index]; }
  const stadion_tensor *tensor(size_t index) const { return index < tensors.size() ? &tensors[index] : nullptr; }

private:
  std::vector<DeclaredTensor> declared;
  std::vector<stadion_tensor> tensors;
};
