import CLinux
import Inference
import Routing
import Running
import Serving
import Synchronization
import Telemetry
import Wire

/// `GET /v1/statistics`: what `stadion top` shows. Counts since the start; who wants rates takes differences.
extension Routes {
  func observations(_ exchange: Exchange) async {
    let value = await withTaskExecutorPreference(observer.threads) { await observations() }
    Self.answer(exchange, value)
  }

  private func observations() async -> JSONValue {
    let process = HostProcess()
    let runners = await router.observeRunners()
    var loads = RunnerLoads()
    var models: [JSONValue] = []
    for served in router.table.allModels.flatMap(\.versions) {
      for instance in served.instances {
        loads.count(instance)
        models.append(observation(of: instance, served))
      }
    }
    let loops = observer.server?.loops ?? []
    return [
      "version": .string(server.version), "timeNs": .integer(linux_now_ns()), "startedMs": .integer(process.startedMs),
      "cpuNs": .integer(process.cpuNs), "residentBytes": .integer(process.residentBytes),
      "connections": .integer(observer.server?.connectionCount ?? 0),
      "loops": .array(loops.map { ["busyNs": .integer($0.times.busyNs)] }),
      "runners": .array(runners.map { observation(of: $0, loads) }), "models": .array(models),
    ]
  }

  private func observation(of runner: RunnerObservation, _ loads: RunnerLoads) -> JSONValue {
    let memory = runner.processID.map { HostProcess(pid: String($0)).residentBytes } ?? 0
    return [
      "id": .string(runner.id), "state": .string(runner.state), "models": .integer(loads.models(of: runner.id)),
      "restarts": .integer(runner.history.restarts), "crashes": .integer(runner.history.ends.values.reduce(0, +)),
      "residentBytes": .integer(memory), "sharedBytes": .integer(loads.sharedBytes(of: runner.id)),
    ]
  }

  private func observation(of model: LoadedModel, _ served: ServedVersion) -> JSONValue {
    let counts = model.times.load().flatMap { $0.isOthers ? nil : $0.requestCounts } ?? []
    // Upper bound in nanoseconds and count of each bucket that has any; 0 is beyond the last.
    let latency = counts.enumerated().filter { $0.element > 0 }.map { index, count -> JSONValue in
      [.integer(index < TimeScale.fine.count ? TimeScale.fine[index] : 0), .integer(count)]
    }
    return [
      "tenant": .string(served.tenant.text), "model": .string(served.model), "version": .string(served.version),
      "runner": .string(model.runnerID),
      "device": .string(model.device.name), "running": .integer(model.gate.runningCount),
      "waiting": .integer(model.gate.waitingCount), "answered": .integer(counts.reduce(0, +)),
      // Of the version on all of its runners.
      "failed": .integer(served.statistics.fail.count), "latency": .array(latency),
    ]
  }
}
