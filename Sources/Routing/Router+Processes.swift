import CLinux
package import Inference
import Manifests
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
    let pauseMs = runners[index].record.note(linux_now_ns(), options.processes)
    let reason = "runner \(runner.id) was \(end.reason)"
    let lost = takeLost(runner, reason)
    if let pauseMs {
      runners[index].health = .comingBack("\(reason); it is started again")
      restart(runner, afterMs: pauseMs)
    } else {
      let count = options.processes.quarantineCrashes
      runners[index].health = .quarantined(
        "\(reason), the \(count)th time within a minute; `stadion runner restart \(runner.id)` tries again")
      Log.error("quarantined a runner", ("runner", runner.id), ("reason", reason))
    }
    publish()
    // Only now: who finds a gate closed looks for what has taken the model's place, or is told that it comes back.
    for instance in lost.instances {
      instance.gate.close()
      Task { await runner.unload(instance) }
    }
    await withTaskGroup(of: Void.self) { group in
      for name in lost.names { group.addTask { await self.serially(name) { await self.reconcile(name) } } }
    }
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

  /// Opens a runner again and gives it back what it had.
  private func comeBack(_ runner: Runner) async {
    guard let index = runners.firstIndex(where: { $0.runner === runner }), !runners[index].isGone else { return }
    guard case .comingBack = runners[index].health else { return }
    runners[index].health = .fine
    await open(index)
    guard runners[index].facts != nil else { return }
    Log.info("a runner is back", ("runner", runner.id))
    await withTaskGroup(of: Void.self) { group in
      for name in models.keys { group.addTask { await self.serially(name) { await self.reconcile(name) } } }
    }
  }

  // MARK: An operator's wish

  /// Ends a quarantine, or puts a fresh process in the place of a working one; no request fails.
  ///
  /// - Throws: `.notFound`; `.conflict` for a runner in the host, and when the fresh process can't take over.
  package func restartRunner(_ id: String) async throws(HostError) {
    guard let index = runners.firstIndex(where: { $0.runner.id == id && !$0.isGone }) else {
      throw HostError(.notFound, "no runner '\(id)'; `stadion runner list --all` names them")
    }
    let manifest = runners[index].runner.manifest
    guard manifest.isolation == .process else {
      throw HostError(.conflict, "runner \(id) runs inside the host and starts again with it")
    }
    runners[index].record.forgive()
    if runners[index].reason == nil {
      if let reason = await replace(index, by: manifest) { throw HostError(.conflict, reason) }
      return
    }
    if runners[index].refusal != nil { runners[index] = RunnerState(makeRunner(manifest)) }
    runners[index].health = .comingBack("an operator has asked for it")
    await comeBack(runners[index].runner)
    if let reason = runners[index].reason { throw HostError(.conflict, reason) }
  }

  // MARK: Replacing

  /// Starts a runner beside the one at `index`, loads what that one serves, lets it take over, and drains the old one.
  ///
  /// - Returns: Why the old one still serves; nil when it has been replaced.
  @discardableResult
  func replace(_ index: Int, by manifest: RunnerManifest) async -> String? {
    let old = runners[index].runner
    let stamp = LibraryStamp(manifest.libraryPath)
    let fresh = makeRunner(manifest)
    let names = models.filter { $0.value.versions.values.contains { $0.serves(old) } }.keys.sorted()
    let outcome = TakeOver()
    await serially(names[...]) {
      let problem = await self.takeOver(names, from: old, to: fresh, index, stamp)
      outcome.problem.withLock { $0 = problem }
    }
    let problem = outcome.problem.withLock { $0 }
    if let problem {
      await fresh.stop()
      guard runners[index].runner === old else { return problem }
      runners[index].stamp = stamp
      runners[index].remark = "its replacement isn't used: \(problem)"
      Log.warning("a runner's replacement isn't used", ("runner", old.id), ("reason", problem))
    } else {
      Log.info("replaced a runner", ("runner", old.id))
      await old.stop()
    }
    return problem
  }

  private final class TakeOver: Sendable { let problem = Mutex<String?>(nil) }

  /// Runs `change` when no other change of any of `names` is under way.
  private func serially(_ names: ArraySlice<String>, _ change: @escaping @Sendable () async -> Void) async {
    guard let first = names.first else { return await change() }
    // In order of names, so that two such changes never wait for each other.
    await serially(first) { await self.serially(names.dropFirst(), change) }
  }

  private func takeOver(
    _ names: [String], from old: Runner, to fresh: Runner, _ index: Int, _ stamp: LibraryStamp?
  ) async -> String? {
    var moved: [(name: String, number: Int, served: ServedVersion)] = []
    let facts: RunnerFacts
    do throws(HostError) {
      facts = try await fresh.open()
      for name in names {
        for (number, version) in models[name]?.versions ?? [:] {
          guard let served = version.served, version.serves(old), let settings = models[name]?.settings else {
            continue
          }
          var instances: [LoadedModel] = []
          for instance in served.instances {
            guard instance.runner === old else {
              instances.append(instance)
              continue
            }
            instances.append(
              try await load(version.entry, settings, on: fresh, instance.device, like: served.instances.first))
          }
          moved.append((name, number, served.with(instances)))
        }
      }
    } catch {
      return error.description
    }
    // From here on nothing waits: requests find the old one or the new one, never none.
    guard runners[index].runner === old else { return "another change came first" }
    var retired: [LoadedModel] = []
    for move in moved {
      retired += models[move.name]?.versions[move.number]?.served?.instances.filter { $0.runner === old } ?? []
      models[move.name]?.versions[move.number]?.phase = .ready(move.served)
    }
    let crashes = runners[index].record
    runners[index] = RunnerState(fresh)
    runners[index].facts = facts
    runners[index].stamp = stamp
    runners[index].record = crashes
    runners[index].record.startedNs = linux_now_ns()
    publish()
    for instance in retired { await old.unload(instance) }
    return nil
  }
}

extension Router.VersionState {
  fileprivate func serves(_ runner: Runner) -> Bool {
    served?.instances.contains { $0.runner === runner } ?? false
  }
}
