// Multiplies its input by the number in the model's file. Stands in for an engine: put yours where "engine" is written.
// The contract is include/stadion_runner.h, which reads in call order; so does this file.
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "stadion_runner.h"

namespace {

const stadion_host *host;  // Written by `start`, valid until `stop` returns.

// One input and one output of any length; -1 = known only when a request comes.
const int64_t any_length[] = {-1};

stadion_tensor f32(const char *name) {
  stadion_tensor tensor{};
  tensor.struct_size = sizeof tensor;
  tensor.dtype = STADION_F32;
  tensor.rank = 1;
  tensor.name = name;
  tensor.shape = any_length;
  return tensor;
}

// Why a call failed. Callers read the text: say what, with which values, and what to do.
struct Failure : std::runtime_error {
  stadion_code code;
  Failure(stadion_code code, const std::string &message) : std::runtime_error(message), code(code) {}
};

stadion_code report(stadion_error *error, stadion_code code, const char *message) {
  std::snprintf(error->message, sizeof error->message, "%s", message);
  std::snprintf(error->source, sizeof error->source, "runner");
  return error->code = code;
}

// No exception may cross into the host.
template <class Body> stadion_code guarded(stadion_error *error, Body body) {
  try {
    body();
    return STADION_OK;
  } catch (const Failure &failure) {
    return report(error, failure.code, failure.what());
  } catch (const std::bad_alloc &) {
    return report(error, STADION_RESOURCE_EXHAUSTED, "no memory");
  } catch (const std::exception &failure) {
    return report(error, STADION_INTERNAL, failure.what());
  } catch (...) {
    return report(error, STADION_INTERNAL, "an exception of an unknown type");
  }
}

// Memory of the host, given back unless it is emitted.
struct Release {
  void operator()(stadion_buffer *buffer) const { buffer->release(buffer); }
};
using HostBuffer = std::unique_ptr<stadion_buffer, Release>;

std::string_view view(stadion_text text) { return {text.data, text.size}; }

// A word that nobody knows is a mistake somebody wants to see.
void check_options(const stadion_option *options, size_t count) {
  if (count > 0)
    throw Failure(STADION_INVALID_ARGUMENT,
                  "option " + std::string(view(options[0].key)) + " is unknown; there are none");
}

}  // namespace

// An engine's own state: a context, a thread pool. One per device of the manifest.
struct stadion_runner {
  stadion_runner(const stadion_option *options, size_t count) {
    check_options(options, count);  // Those of the manifest.
    // Start the engine here.
  }
};

// What `load` read: an engine's session.
struct stadion_model {
  float factor = 0;
  stadion_tensor input = f32("x");
  stadion_tensor output = f32("y");

  // The engine's part. What takes seconds asks the ticket, as `compute` does.
  stadion_model(const std::string &path, const stadion_option *options, size_t count) {
    check_options(options, count);  // Those of model.json.
    std::ifstream file(path);
    if (!file) throw Failure(STADION_NOT_FOUND, "the model's file can't be opened");
    if (!(file >> factor)) throw Failure(STADION_INVALID_ARGUMENT, "the model's file holds no number");
  }

  // The engine's part. `x` and `y` have `count` elements.
  void compute(const float *x, float *y, uint64_t count, const stadion_ticket *ticket) const {
    const uint64_t step = 65536;  // Elements between two looks at the ticket: some microseconds of work.
    for (uint64_t i = 0; i < count; i++) {
      if (i % step == 0 && ticket->is_cancelled(ticket)) throw Failure(STADION_CANCELLED, "cancelled");
      y[i] = x[i] * factor;
    }
  }

  void run(const stadion_request *request) const {
    if (request->wanted_outputs && request->wanted_output_count == 0) return;
    const stadion_tensor *x = request->inputs[0];  // Checked by the host against the signature; borrowed.
    // What is written into memory of the host reaches the client without a copy.
    HostBuffer buffer(host->allocate(host, request->ticket, x->byte_size));
    if (!buffer)
      throw Failure(STADION_RESOURCE_EXHAUSTED,
                    "no memory for an output of " + std::to_string(x->byte_size) + " bytes");
    compute(static_cast<const float *>(x->data), static_cast<float *>(buffer->data), x->byte_size / sizeof(float),
            request->ticket);
    stadion_tensor y = output;
    y.shape = x->shape;
    y.data = buffer->data;
    y.byte_size = x->byte_size;
    y.buffer = buffer.release();  // The host's from here on, whatever `emit` returns.
    stadion_code code = request->emit(request, &y, true);
    if (code != STADION_OK) throw Failure(code, std::string("the host refused output ") + y.name);
  }
};

// The table: C functions around the classes above.
namespace {

stadion_code start(const stadion_host *given, stadion_error *) {
  host = given;
  return STADION_OK;
}

void stop() { host = nullptr; }

const char *const formats[] = {"@NAME@", nullptr};

constexpr stadion_device make_cpu() {
  stadion_device cpu{};
  cpu.struct_size = sizeof cpu;
  cpu.kind = STADION_DEVICE_CPU;
  cpu.max_concurrent_runs = 4;  // `run` is called by so many threads at once, per model. 1 if the engine can't.
  cpu.flags = STADION_DEVICE_DYNAMIC_SHAPES | STADION_DEVICE_POLLS_CANCEL;
  cpu.name = "CPU";
  cpu.formats = formats;
  cpu.kind_name = "cpu";
  return cpu;
}
constexpr stadion_device cpu = make_cpu();

const stadion_device *device(uint32_t index) { return index == 0 ? &cpu : nullptr; }

stadion_code create(const stadion_device *, const stadion_option *options, size_t count, stadion_runner **out,
                    stadion_error *error) {
  return guarded(error, [&] { *out = new stadion_runner(options, count); });
}

void destroy(stadion_runner *runner) { delete runner; }

stadion_code load(stadion_runner *, const stadion_ticket *, stadion_text path, const stadion_option *options,
                  size_t count, stadion_model **out, stadion_error *error) {
  return guarded(error, [&] { *out = new stadion_model(std::string(view(path)), options, count); });
}

void unload(stadion_model *model) { delete model; }

const stadion_tensor *signature(const stadion_model *model, bool outputs, uint32_t index) {
  if (index > 0) return nullptr;
  return outputs ? &model->output : &model->input;
}

stadion_code run(stadion_model *model, const stadion_request *request, stadion_error *error) {
  return guarded(error, [&] { model->run(request); });
}

constexpr stadion_plugin make_plugin() {
  stadion_plugin plugin{};
  plugin.struct_size = sizeof plugin;
  plugin.abi_major = STADION_ABI_MAJOR;
  plugin.abi_minor = STADION_ABI_MINOR;
  plugin.id = "@ID@";  // As in the manifest.
  plugin.version = "0.1.0";
  plugin.engine = "factor 1.0";
  plugin.open = start;
  plugin.close = stop;
  plugin.device = device;
  plugin.create = create;
  plugin.destroy = destroy;
  plugin.load = load;
  plugin.unload = unload;
  plugin.signature = signature;
  plugin.run = run;
  return plugin;
}
constexpr stadion_plugin plugin = make_plugin();  // Read-only data: nothing runs when the library is opened.

}  // namespace

// A newer host may ask: struct_size tells it what is here.
const stadion_plugin *stadion_plugin_entry(uint32_t host_major, uint32_t) {
  return host_major == STADION_ABI_MAJOR ? &plugin : nullptr;
}
