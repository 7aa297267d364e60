// TorchScript on the CPU with libtorch: the table, C functions around stadion_model.
#include <ATen/Parallel.h>
#include <malloc.h>
#include <torch/version.h>

#include <mutex>

#include "Failure.h"
#include "TorchModel.h"

struct stadion_runner {
  RunnerOptions options;

  stadion_runner(const stadion_option *options, size_t count) : options(options, count) {
    // Both numbers are the process's. Inter-op threads run what a model forks; libtorch takes their number once.
    static std::once_flag once;
    std::call_once(once, [] { at::set_num_interop_threads(1); });
    at::set_num_threads(this->options.intra_op_threads);
  }

  ~stadion_runner() { at::set_num_threads(1); }  // Ends those beyond the first.
};

namespace {

const stadion_host *host;  // Written by `start`, valid until `stop` returns.

stadion_code start(const stadion_host *given, stadion_error *) {
  host = given;
  return STADION_OK;
}

void stop() { host = nullptr; }

const char *const formats[] = {"pt", nullptr};

constexpr stadion_device make_cpu() {
  stadion_device cpu{};
  cpu.struct_size = sizeof cpu;
  cpu.kind = STADION_DEVICE_CPU;
  cpu.max_concurrent_runs = 64;
  cpu.flags = STADION_DEVICE_DYNAMIC_SHAPES;
  cpu.name = "CPU";
  cpu.formats = formats;
  cpu.kind_name = "cpu";
  return cpu;
}
constexpr stadion_device cpu = make_cpu();

const stadion_device *device(uint32_t index) { return index == 0 ? &cpu : nullptr; }

stadion_code create(const stadion_device *, const stadion_option *options, size_t count, stadion_runner **out,
                    stadion_error *error) noexcept {
  return guarded(error, [&] { *out = new stadion_runner(options, count); });
}

void destroy(stadion_runner *runner) noexcept { delete runner; }

stadion_code load(stadion_runner *runner, const stadion_ticket *ticket, stadion_text path,
                  const stadion_option *options, size_t count, stadion_model **out, stadion_error *error) noexcept {
  return guarded(error, [&] {
    if (ticket->is_cancelled(ticket)) throw Failure(STADION_CANCELLED, "cancelled before the load began");
    *out = new stadion_model(std::string(path.data, path.size), ModelOptions(runner->options, options, count));
  });
}

void unload(stadion_model *model) noexcept {
  delete model;
  malloc_trim(0);  // Weights are many blocks of malloc, which keeps them otherwise.
}

const stadion_tensor *signature(const stadion_model *model, bool outputs, uint32_t index) {
  return model->tensor(outputs, index);
}

const stadion_option *metadata(const stadion_model *model, uint32_t index) { return model->metadata(index); }

stadion_code run(stadion_model *model, const stadion_request *request, stadion_error *error) noexcept {
  return guarded(error, [&] { model->run(host, request); });
}

constexpr stadion_plugin make_plugin() {
  stadion_plugin plugin{};
  plugin.struct_size = sizeof plugin;
  plugin.abi_major = STADION_ABI_MAJOR;
  plugin.abi_minor = STADION_ABI_MINOR;
  plugin.id = "org.stadion.torch";
  plugin.version = "0.1.0";
  plugin.engine = "libtorch " TORCH_VERSION;
  plugin.open = start;
  plugin.close = stop;
  plugin.device = device;
  plugin.create = create;
  plugin.destroy = destroy;
  plugin.load = load;
  plugin.unload = unload;
  plugin.signature = signature;
  plugin.metadata = metadata;
  plugin.run = run;
  return plugin;
}
constexpr stadion_plugin plugin = make_plugin();

}  // namespace

const stadion_plugin *stadion_plugin_entry(uint32_t host_major, uint32_t) {
  return host_major == STADION_ABI_MAJOR ? &plugin : nullptr;
}
