// How `forward` returns its outputs: one tensor, or several by place or by name.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include "Signature.h"

class OutputForm {
public:
  // Throws Failure where `returned` isn't made of tensors.
  explicit OutputForm(const c10::TypePtr &returned);

  // An example of what option outputs would say, with types and shapes that stand for the right ones.
  std::string example() const;

  // Throws Failure where forward can't return these.
  void check(const Signature &outputs) const;

  // The tensor that a run has returned for one of the outputs. Throws Failure where it isn't that tensor.
  at::Tensor output(const c10::IValue &result, const Signature &outputs, size_t index) const;

private:
  enum Kind { single, tuple, named_tuple, list, dict };
  Kind kind;
  std::vector<std::string> fields;  // Of a tuple; names of one without are OUTPUT__0 and so on.

  at::Tensor pick(const c10::IValue &result, const Signature &outputs, size_t index) const;
};
