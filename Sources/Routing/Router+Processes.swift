import CLinux
package import Inference
import Manifests
import Registry
import Running
import Synchronization
import Telemetry

/// What becomes of models when their runner's process ends, and how a runner is replaced.
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
      let old: Runner
      do throws(HostError) {
        old = try await replace(index, by: manifest)
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

  // MARK: Replacing

  /// Starts a runner beside the one at `index`, loads what that one serves, and lets it take over.
  ///
  /// - Returns: The old one, which is to be stopped.
  /// - Throws: Why the old one still serves.
  func replace(_ index: Int, by manifest: RunnerManifest) async throws(HostError) -> Runner {
    let old = runners[index].runner
    let stamp = LibraryStamp(manifest.libraryPath)
    let fresh = makeRunner(manifest, for: old.tenant)
    let names = models.filter { $0.value.versions.values.contains { $0.serves(old) } }.keys.sorted()
    let outcome = TakeOver()
    await serially(names[...]) {
      let problem = await self.takeOver(from: old, to: fresh, index, stamp)
      outcome.problem.withLock { $0 = problem }
    }
    if let problem = outcome.problem.withLock({ $0 }) {
      await fresh.stop()
      guard runners[index].runner === old else { throw problem }
      if problem.isTheRunnersDoing { runners[index].rejected = RunnerState.Rejected(manifest: manifest, stamp: stamp) }
      runners[index].remark = "its replacement isn't used: \(problem.description)"
      Log.warning(
        "a runner's replacement isn't used", ("runner", old.id), ("tenant", old.key.tenantText),
        ("reason", problem.description))
      throw problem
    }
    Log.info("replaced a runner", ("runner", old.id), ("tenant", old.key.tenantText))
    return old
  }

  private final class TakeOver: Sendable { let problem = Mutex<HostError?>(nil) }

  /// Runs `change` when no other change of any of `names` is under way.
  private func serially(_ names: ArraySlice<String>, _ change: @escaping @Sendable () async -> Void) async {
    guard let first = names.first else { return await change() }
    // In order of names, so that two such changes never wait for each other.
    await serially(first) { await self.serially(names.dropFirst(), change) }
  }

  private struct Move {
    let number: Int
    let old: ServedVersion
    let new: ServedVersion
  }

  private func takeOver(
    from old: Runner, to fresh: Runner, _ index: Int, _ stamp: LibraryStamp?
  ) async -> HostError? {
    var moves: [Move] = []
    do throws(HostError) {
      let facts = try await fresh.open()
      var done: Set<ObjectIdentifier> = []
      // Loads into the old one may have been under way, and come to their end meanwhile.
      while true {
        let left = served(by: old).filter { !done.contains(ObjectIdentifier($0.version)) }
        if left.isEmpty { break }
        for (version, number) in left where models[version.key]?.versions[number]?.served === version {
          let contract = Contract(version.instances[0])
          var instances: [LoadedModel] = []
          for instance in version.instances {
            if instance.runner === old {
              var request = instance.request
              request.isMove = true
              instances.append(try await load(request, on: fresh, under: contract))
            } else {
              instances.append(instance)
            }
          }
          moves.append(Move(number: number, old: version, new: version.with(instances)))
          done.insert(ObjectIdentifier(version))
        }
      }
      // From here on nothing waits: requests find the old one or the new one, never none.
      guard runners[index].runner === old, !runners[index].isGone else {
        throw HostError(.conflict, "another change came first")
      }
      if let error = Self.processEnd(among: moves.flatMap(\.new.instances)) { throw error }
      if fresh.hasEnded {
        throw HostError(.runnerFailed, "runner \(fresh.id): its process has ended", isProcessEnd: true)
      }
      let crashes = runners[index].record
      runners[index] = RunnerState(fresh)
      runners[index].facts = facts
      runners[index].stamp = stamp
      runners[index].record = crashes
      runners[index].record.startedNs = linux_now_ns()
      histories[fresh.key, default: RunnerHistory()].starts += 1
    } catch {
      return error
    }
    var unused: [LoadedModel] = []
    for move in moves {
      if models[move.old.key]?.versions[move.number]?.served === move.old {
        models[move.old.key]?.versions[move.number]?.phase = .ready(move.new)
      } else {
        // Unloaded, lost or loaded anew meanwhile.
        unused += move.new.instances.filter { $0.runner === fresh }
      }
    }
    publish()
    for instance in unused { await fresh.unload(instance) }
    return nil
  }

  /// What a runner serves now, by key.
  private func served(by runner: Runner) -> [(version: ServedVersion, number: Int)] {
    models.sorted { $0.key < $1.key }.flatMap { _, model in
      model.versions.compactMap { number, version in
        version.serves(runner) ? version.served.map { ($0, number) } : nil
      }
    }
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

extension HostError {
  /// It would happen again with the same library and manifest; not for want of memory, or by another change.
  fileprivate var isTheRunnersDoing: Bool {
    switch code {
    case .overloaded, .conflict, .deadlineExceeded, .cancelled: false
    default: !isProcessEnd
    }
  }
}

extension Router.VersionState {
  fileprivate func serves(_ runner: Runner) -> Bool {
    served?.instances.contains { $0.runner === runner } ?? false
  }
}
