#include "Failure.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/runtime/jit_exception.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

namespace {

constexpr auto none = std::string_view::npos;

stadion_code report(stadion_error *error, stadion_code code, const char *source, std::string_view message) {
  size_t size = std::min(message.size(), sizeof error->message - 1);
  // Never between the bytes of one character.
  while (size < message.size() && size > 0 && (message[size] & 0xC0) == 0x80) size--;
  message.copy(error->message, size);
  error->message[size] = 0;
  std::strcpy(error->source, source);
  return error->code = code;
}

bool begins(std::string_view text, std::string_view word) { return text.substr(0, word.size()) == word; }

// The line of libtorch's many that says what went wrong: it stands below the TorchScript that was running and above
// the frames of libtorch.
std::string_view essence(std::string_view text) {
  if (size_t at = text.find("\nException raised from "); at != none) text = text.substr(0, at);
  if (begins(text, "The following operation failed in the TorchScript interpreter.")) {
    for (std::string_view mark : {"\nRuntimeError: ", "\nbuiltins.", "\ntorch.jit.Error: "})
      if (size_t at = text.rfind(mark); at != none) {
        text = text.substr(at + 1);
        break;
      }
  }
  for (std::string_view word : {"RuntimeError: ", "torch.jit.Error: ", "builtins."})
    if (begins(text, word)) text = text.substr(word.size());
  while (!text.empty() && text.front() == '\n') text = text.substr(1);
  return text.substr(0, text.find('\n'));
}

stadion_code report_torch(stadion_error *error, std::string_view text) {
  // Of its allocator, its own mistakes, and the rest: sizes and types that don't fit each other.
  stadion_code code = STADION_INVALID_ARGUMENT;
  if (text.find("DefaultCPUAllocator") != none) code = STADION_RESOURCE_EXHAUSTED;
  else if (text.find("INTERNAL ASSERT FAILED") != none) code = STADION_INTERNAL;
  std::string_view line = essence(text);
  if (size_t at = line.find("DefaultCPUAllocator"); at != none) line = line.substr(at);
  return report(error, code, "libtorch", line.empty() ? "libtorch gives no reason" : line);
}

}  // namespace

stadion_code report_exception(stadion_error *error) noexcept {
  try {
    throw;
  } catch (const Failure &failure) {
    return report(error, failure.code, "runner", failure.what());
  } catch (const std::bad_alloc &) {
    return report(error, STADION_RESOURCE_EXHAUSTED, "runner", "no memory is left");
  } catch (const c10::Error &failure) {
    return report_torch(error, failure.what_without_backtrace());
  } catch (const std::exception &failure) {
    return report_torch(error, failure.what());
  } catch (...) {
    return report(error, STADION_INTERNAL, "libtorch", "an exception of an unknown type");
  }
}
