#include "OutputForm.h"

#include <ATen/core/function_schema.h>

#include <algorithm>

#include "Failure.h"

namespace {

bool is_tensor(const c10::TypePtr &type) { return type->kind() == c10::TypeKind::TensorType; }

std::string names(const c10::Dict<c10::IValue, c10::IValue> &dict) {
  std::string text;
  for (const auto &entry : dict) text += (text.empty() ? "" : ", ") + entry.key().toStringRef();
  return text.empty() ? "nothing" : text;
}

}  // namespace

OutputForm::OutputForm(const c10::TypePtr &returned) {
  bool is_served = false;
  switch (returned->kind()) {
    case c10::TypeKind::TensorType:
      kind = single;
      is_served = true;
      break;
    case c10::TypeKind::TupleType: {
      auto elements = returned->expect<c10::TupleType>();
      kind = elements->schema() ? named_tuple : tuple;
      is_served = std::all_of(elements->elements().begin(), elements->elements().end(), is_tensor);
      for (size_t i = 0; i < elements->elements().size(); i++)
        fields.push_back(kind == named_tuple ? elements->schema()->arguments()[i].name()
                                             : "OUTPUT__" + std::to_string(i));
      break;
    }
    case c10::TypeKind::ListType:
      kind = list;
      is_served = is_tensor(returned->expect<c10::ListType>()->getElementType());
      break;
    case c10::TypeKind::DictType: {
      auto entries = returned->expect<c10::DictType>();
      kind = dict;
      is_served = entries->getKeyType()->kind() == c10::TypeKind::StringType && is_tensor(entries->getValueType());
      break;
    }
    default: break;
  }
  if (!is_served)
    throw Failure(STADION_UNSUPPORTED, "forward returns " + returned->annotation_str() +
                                           "; this runner serves Tensor, Tuple and NamedTuple of tensors, "
                                           "List[Tensor] and Dict[str, Tensor]");
}

std::string OutputForm::example() const {
  if (kind == dict) return "KEY:f32[-1,10]";
  if (fields.empty()) return "OUTPUT__0:f32[-1,10]";
  std::string text;
  for (const std::string &field : fields) text += (text.empty() ? "" : " ") + field + ":f32[-1,10]";
  return text;
}

void OutputForm::check(const Signature &outputs) const {
  size_t wanted = kind == single ? 1 : fields.size();
  bool is_counted = kind == single || kind == tuple;
  if (is_counted ? outputs.size() != wanted : outputs.size() == 0)
    throw Failure(STADION_INVALID_ARGUMENT, "option outputs names " + std::to_string(outputs.size()) +
                                                " tensors and forward returns " +
                                                (is_counted ? std::to_string(wanted) : "some"));
  if (kind != named_tuple) return;
  for (size_t i = 0; i < outputs.size(); i++)
    if (std::find(fields.begin(), fields.end(), outputs[i].name) == fields.end())
      throw Failure(STADION_INVALID_ARGUMENT,
                    "option outputs names " + outputs[i].name + ", which is no field of what forward returns");
}

at::Tensor OutputForm::pick(const c10::IValue &result, const Signature &outputs, size_t index) const {
  const std::string &name = outputs[index].name;
  switch (kind) {
    case single: return result.toTensor();
    case tuple: return result.toTupleRef().elements().at(index).toTensor();
    case named_tuple: {
      size_t at = std::find(fields.begin(), fields.end(), name) - fields.begin();
      return result.toTupleRef().elements().at(at).toTensor();
    }
    case list: {
      c10::List<at::Tensor> tensors = result.toTensorList();
      if (tensors.size() != outputs.size())
        throw Failure(STADION_INTERNAL, "the model returned " + std::to_string(tensors.size()) +
                                            " tensors; its option outputs names " + std::to_string(outputs.size()));
      return tensors.get(index);
    }
    case dict: {
      c10::Dict<c10::IValue, c10::IValue> entries = result.toGenericDict();
      auto entry = entries.find(name);
      if (entry == entries.end())
        throw Failure(STADION_INTERNAL, "the model returned no output " + name + ", but " + names(entries));
      return entry->value().toTensor();
    }
  }
  return {};
}

at::Tensor OutputForm::output(const c10::IValue &result, const Signature &outputs, size_t index) const {
  at::Tensor tensor = pick(result, outputs, index);
  const DeclaredTensor &declared = outputs[index];
  auto refuse = [&](const std::string &found) {
    throw Failure(STADION_INTERNAL, "output " + declared.name + " is " + found + "; the model's option outputs says " +
                                        declared.description());
  };
  if (!tensor.defined()) refuse("None");
  if (tensor.layout() != c10::kStrided || !tensor.device().is_cpu()) refuse("no dense tensor in host memory");
  if (tensor.scalar_type() != declared.type->scalar || !declared.admits(tensor.sizes()))
    refuse(description(name(tensor.scalar_type()), tensor.sizes()));
  return tensor;
}
