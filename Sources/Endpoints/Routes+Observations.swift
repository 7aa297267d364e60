import Admission
import CLinux
import Inference
import Routing
import Running
import Serving
import Synchronization
import Telemetry
import Wire

/// `GET /v1/statistics`: what `stadion top` shows. Counts since the start; who wants rates takes differences.
///
/// Its operator sees all of a host; everybody else what belongs to their tenant.
extension Routes {
  func observations(_ exchange: Exchange) async throws(HostError) {
    let tenant = try scope(exchange)
    let value = await withTaskExecutorPreference(observer.threads) { await observations(of: tenant) }
    Self.answer(exchange, value)
  }

  private func observations(of tenant: TenantID?) async -> JSONValue {
    let table = router.table
    let served = (tenant.map { table.models(of: $0) } ?? table.allModels).flatMap(\.versions)
    let models = served.flatMap { served in served.instances.map { observation(of: $0, served) } }
    let quotas = quotas.all.filter { tenant == nil || $0.tenant == tenant }
    var members: [JSONValue.Member] = [
      .init("version", .string(server.version)), .init("timeNs", .integer(linux_now_ns())),
      .init("models", .array(models)),
      .init("tenants", .array(quotas.map { observation(of: $0.tenant, $0.quota) })),
    ]
    if tenant == nil { members += await hostObservations(table) } else { members.append(.init("runners", [])) }
    return .object(members)
  }

  private func hostObservations(_ table: RoutingTable) async -> [JSONValue.Member] {
    let process = HostProcess()
    let runners = await router.observeRunners()
    let loops = observer.server?.loops ?? []
    return [
      .init("startedMs", .integer(process.startedMs)), .init("cpuNs", .integer(process.cpuNs)),
      .init("residentBytes", .integer(process.residentBytes)),
      .init("connections", .integer(observer.server?.connectionCount ?? 0)),
      .init("loops", .array(loops.map { ["busyNs": .integer($0.times.busyNs)] })),
      .init("runners", .array(runners.map { observation(of: $0, table.runnerLoads) })),
    ]
  }

  /// Counts of a day, which begin anew with the next.
  private func observation(of tenant: TenantID, _ quota: Quota) -> JSONValue {
    let usage = quota.usage
    return [
      "id": .string(tenant.text), "active": .integer(quota.activeCount), "requests": .integer(usage.requests),
      "refusals": .integer(usage.refusals), "inputBytes": .integer(usage.inputBytes),
      "computeNs": .integer(usage.computeNs),
    ]
  }

  private func observation(of runner: RunnerObservation, _ loads: RunnerLoads) -> JSONValue {
    let memory = runner.processID.map { HostProcess.residentBytes(of: $0) } ?? 0
    let tenant = runner.key.tenant.map { JSONValue.string($0.text) } ?? .null
    return [
      "id": .string(runner.key.id), "tenant": tenant, "state": .string(runner.state),
      "models": .integer(loads.models(of: runner.key)),
      "restarts": .integer(runner.history.restarts), "crashes": .integer(runner.history.ends.values.reduce(0, +)),
      "residentBytes": .integer(memory), "sharedBytes": .integer(loads.sharedBytes(of: runner.key)),
    ]
  }

  private func observation(of model: LoadedModel, _ served: ServedVersion) -> JSONValue {
    let counts = model.times.times.flatMap { $0.isOthers ? nil : $0.requestCounts } ?? []
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
