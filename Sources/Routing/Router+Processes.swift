import CLinux
package import Inference
import Manifests
import Registry
import Running
import Synchronization
import Telemetry

/// What becomes of models when their runner's process ends, and what an operator can do.
extension Router {
  // MARK: An end that nobody wanted

  /// Takes a runner whose process has ended out of use, gives its models to others if there are any, and has it started
  /// again after a pause.
  func lost(_ runner: Runner, _ end: RunnerEnd) async {
    guard let index = runners.firstIndex(where: { $0.runner === runner }) else { return }
    runners[index].facts = nil
    histories[runner.key, default: RunnerHistory()].ends[end.cause, default: 0] += 1
    let pauseMs = runners[index].record.note(linux_now_ns(), options.processes, isCrash: !end.isOverdueRun)
    let reason = "runner \(runner.id) was \(end.reason)"
    let taken = takeLost(runner, reason)
    if let pauseMs {
      runners[index].health = .comingBack("\(reason); it is started again")
      restart(runner, afterMs: pauseMs)
    } else {
      let count = options.processes.quarantineCrashes
      runners[index].health = .quarantined(
        "\(reason), \(count) times within a minute; `stadion runner restart \(runner.id)\(Self.option(runner.tenant))` "
          + "tries again")
      Log.error(
        "quarantined a runner", ("runner", runner.id), ("tenant", runner.key.tenantText), ("reason", reason))
    }
    publish()
    // Those who wait for a place look for another version, which they find by now, or find coming back.
    for instance in taken.instances {
      instance.gate.close()
      // Gone with the process: others may load it at once.
      instance.memory?.release()
      Task { await runner.unload(instance) }
    }
    await reconcileFirmly(taken.names)
  }

  /// - Returns: The models that something is lost of, and what.
  private func takeLost(_ runner: Runner, _ reason: String) -> (names: [String], instances: [LoadedModel]) {
    var names: Set<String> = []
    var instances: [LoadedModel] = []
    for (name, model) in models {
      for (number, version) in model.versions {
        guard let served = version.served, served.instances.contains(where: { $0.runner === runner }) else { continue }
        names.insert(name)
        instances += served.instances.filter { $0.runner === runner }
        models[name]?.versions[number]?.statistics = served.statistics
        models[name]?.versions[number]?.displacedFrom = runner.id
        models[name]?.versions[number]?.contract = Contract(served.instances[0])
        models[name]?.versions[number]?.phase = served.without(runner).map { .ready($0) } ?? .lost(reason)
      }
    }
    return (names.sorted(), instances)
  }

  private func restart(_ runner: Runner, afterMs: Int) {
    let due = linux_now_ns() + UInt64(afterMs) * 1_000_000
    Deadlines.shared.add(id: Ticket.newID(), deadlineNs: due) { [weak self] in
      Task { [weak self] in await self?.comeBack(runner) }
    }
  }

  private static func option(_ tenant: TenantID?) -> String {
    tenant.map { $0 == .standard ? "" : " --tenant \($0)" } ?? ""
  }

  /// Models that may be a runner's.
  private func names(for runner: Runner) -> [String] {
    guard let tenant = runner.tenant else { return Array(models.keys) }
    return models.keys.filter { ModelKey.tenant(of: $0) == tenant }
  }

  /// Opens a runner again and gives it back what it had.
  private func comeBack(_ runner: Runner) async {
    guard let index = runners.firstIndex(where: { $0.runner === runner }), !runners[index].isGone else { return }
    guard case .comingBack = runners[index].health else { return }
    runners[index].isReturning = true
    runners[index].health = .fine
    await open(index)
    let isOpen = runners[index].facts != nil
    if isOpen {
      Log.info("a runner is back", ("runner", runner.id), ("tenant", runner.key.tenantText))
      await reconcileFirmly(names(for: runner))
    }
    runners[index].isReturning = false
    if isOpen { await reconcileSuspects(names(for: runner)) }
  }

  /// The end of the first process that has ended under one of `instances`; nil while all can run.
  ///
  /// Asked before instances are served, with no wait between: `lost`, which is told of an end a little later, finds only
  /// those that are served by then.
  static func processEnd(among instances: [LoadedModel]) -> HostError? {
    instances.lazy.compactMap(\.processEnd).first
  }

  // MARK: An operator's wish

  /// Ends a quarantine, or puts a fresh process in the place of a working one; no request fails.
  ///
  /// - Throws: `.notFound`; `.conflict` for a runner in the host, and when the fresh process can't take over.
  package func restartRunner(_ id: String, of tenant: TenantID = .standard) async throws(HostError) {
    let index = try place(of: id, for: tenant)
    let manifest = runners[index].runner.manifest
    guard manifest.isolation != .host else {
      throw HostError(.conflict, "runner \(id) runs inside the host and starts again with it")
    }
    runners[index].record.forgive()
    if runners[index].reason == nil {
      let old = runners[index].runner
      do throws(HostError) {
        _ = try await replace({ $0.runner === old && !$0.isGone }, by: manifest, opening: [old.tenant])
      } catch {
        throw HostError(.conflict, error.description)
      }
      await old.stop()
      return await recover()
    }
    if runners[index].refusal != nil {
      runners[index] = RunnerState(makeRunner(manifest, for: runners[index].runner.tenant))
    }
    runners[index].health = .comingBack("an operator has asked for it")
    await comeBack(runners[index].runner)
    if let reason = runners[index].reason { throw HostError(.conflict, reason) }
  }

  /// Takes out of service what a runner serves that no longer is one of the router's: a later scan loads it elsewhere.
  func abandon(_ runner: Runner) {
    _ = takeLost(runner, "runner \(runner.id) is being replaced")
    publish()
  }

  /// Gives models that a process has left to whoever can serve them now.
  func recover() async {
    let lost = models.filter { model in
      model.value.versions.values.contains {
        if case .lost = $0.phase { return true }
        return false
      }
    }
    await reconcileFirmly(lost.keys)
    await reconcileSuspects(lost.keys)
  }
}
