#include "Signature.h"

#include <algorithm>
#include <charconv>

#include "Failure.h"

namespace {

constexpr size_t max_tensors = 64, max_name = 255;
constexpr size_t max_rank = 8;  // Of the host.

const ElementType element_types[] = {
    {"f32", STADION_F32, c10::kFloat, 4},      {"f16", STADION_F16, c10::kHalf, 2},
    {"bf16", STADION_BF16, c10::kBFloat16, 2}, {"f64", STADION_F64, c10::kDouble, 8},
    {"i8", STADION_I8, c10::kChar, 1},         {"i16", STADION_I16, c10::kShort, 2},
    {"i32", STADION_I32, c10::kInt, 4},        {"i64", STADION_I64, c10::kLong, 8},
    {"u8", STADION_U8, c10::kByte, 1},         {"bool", STADION_BOOL, c10::kBool, 1},
};

// Reads one word, "NAME:TYPE[SIZE,…]". A name may hold colons and brackets: the last ones count.
class Word {
public:
  Word(std::string_view word, const char *what) : word(word), what(what) {}

  DeclaredTensor read() const {
    size_t colon = word.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon > max_name) refuse("has no name of 1 to 255 bytes");
    std::string_view name = word.substr(0, colon), rest = word.substr(colon + 1);
    if (!std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7F; }))
      refuse("has a name with other characters than printable ASCII");
    size_t bracket = rest.find('[');
    if (bracket == std::string_view::npos || rest.back() != ']') refuse("has no shape");
    return {std::string(name), type(rest.substr(0, bracket)),
            shape(rest.substr(bracket + 1, rest.size() - bracket - 2))};
  }

private:
  std::string_view word;
  const char *what;

  [[noreturn]] void refuse(const std::string &reason) const {
    throw Failure(STADION_INVALID_ARGUMENT, std::string("option ") + what + ": \"" + std::string(word.substr(0, 64)) +
                                                "\" " + reason + "; write it like x:f32[-1,3]");
  }

  const ElementType *type(std::string_view name) const {
    for (const ElementType &type : element_types)
      if (type.name == name) return &type;
    refuse("has the type " + std::string(name.substr(0, 16)) +
           ", which libtorch lacks; it has f32, f16, bf16, f64, i8, i16, i32, i64, u8 and bool");
  }

  std::vector<int64_t> shape(std::string_view text) const {
    std::vector<int64_t> sizes;
    if (text.empty()) return sizes;
    for (const char *at = text.data(), *end = at + text.size();; at++) {
      int64_t size = 0;
      auto [next, failure] = std::from_chars(at, end, size);
      if (failure != std::errc() || size < -1) refuse("has a size that is no number from -1 (any) on");
      sizes.push_back(size);
      if (sizes.size() > max_rank) refuse("has more than 8 dimensions");
      if (next == end) return sizes;
      if (*next != ',') refuse("has sizes that aren't separated by commas");
      at = next;
    }
  }
};

}  // namespace

bool DeclaredTensor::admits(c10::IntArrayRef sizes) const {
  return std::equal(shape.begin(), shape.end(), sizes.begin(), sizes.end(),
                    [](int64_t declared, int64_t size) { return declared == -1 || declared == size; });
}

std::string DeclaredTensor::description() const { return ::description(type->name, shape); }

std::string description(std::string_view type, c10::IntArrayRef sizes) {
  std::string text(type);
  text += '[';
  for (size_t i = 0; i < sizes.size(); i++) text += (i ? "," : "") + std::to_string(sizes[i]);
  return text + "]";
}

std::string name(c10::ScalarType type) {
  for (const ElementType &known : element_types)
    if (known.scalar == type) return std::string(known.name);
  return c10::toString(type);
}

std::string name(stadion_dtype type) {
  for (const ElementType &known : element_types)
    if (known.dtype == type) return std::string(known.name);
  return "type " + std::to_string(type) + " ";
}

Signature::Signature(std::string_view text, const char *what) {
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    if (end > 0) declared.push_back(Word(text.substr(0, end), what).read());
    text.remove_prefix(std::min(end + 1, text.size()));
    if (declared.size() > max_tensors)
      throw Failure(STADION_INVALID_ARGUMENT, std::string("option ") + what + " has more than 64 tensors");
  }
  for (const DeclaredTensor &one : declared) {
    for (const stadion_tensor &earlier : tensors)
      if (one.name == earlier.name)
        throw Failure(STADION_INVALID_ARGUMENT, std::string("option ") + what + " has " + one.name + " twice");
    stadion_tensor tensor{};
    tensor.struct_size = sizeof tensor;
    tensor.dtype = one.type->dtype;
    tensor.rank = static_cast<uint32_t>(one.shape.size());
    tensor.name = one.name.c_str();
    tensor.shape = one.shape.data();
    tensors.push_back(tensor);
  }
}
