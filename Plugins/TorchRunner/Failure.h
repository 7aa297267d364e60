// Why a call failed, and where every exception ends: none may cross into the host.
#pragma once

#include <stdexcept>
#include <string>

#include "stadion_runner.h"

// Callers read the message: what, with which values, and what to do.
struct Failure : std::runtime_error {
  stadion_code code;
  Failure(stadion_code code, const std::string &message) : std::runtime_error(message), code(code) {}
};

// Describes the exception that is being handled. Allocates nothing: memory may be what is missing. [any]
stadion_code report_exception(stadion_error *error) noexcept;

template <class Body> stadion_code guarded(stadion_error *error, Body body) noexcept {
  try {
    body();
    return STADION_OK;
  } catch (...) {
    return report_exception(error);
  }
}
