import CLinux
import Inference
import Manifests
import Running
import Synchronization
import Telemetry

/// How runners are replaced while they serve.
extension Router {
  /// Starts runners beside those that `isOld` names, loads what these serve, and lets them take over.
  ///
  /// - Parameters:
  ///   - isOld: Runners of one id.
  ///   - manifest: Of that id, too; it says whose models share a process.
  ///   - scopes: Tenants, nil for all, whose runner is opened though there may be nothing to load.
  /// - Returns: The old ones, which are to be stopped.
  /// - Throws: Why they still serve.
  func replace(
    _ isOld: @escaping @Sendable (RunnerState) -> Bool, by manifest: RunnerManifest, opening scopes: [TenantID?] = []
  ) async throws(HostError) -> [Runner] {
    let stamp = LibraryStamp(manifest)
    let olds = runners(isOld)
    let names = models.filter { $0.value.versions.values.contains { $0.serves(olds) } }.keys.sorted()
    let takeOver = TakeOver()
    await serially(names[...]) {
      let result = await self.takeOver(from: isOld, by: manifest, opening: scopes, stamp)
      takeOver.result.withLock { $0 = result }
    }
    do throws(HostError) {
      let replaced = try takeOver.result.withLock { $0 }.get()
      for old in replaced { Log.info("replaced a runner", ("runner", old.id), ("tenant", old.key.tenantText)) }
      return replaced
    } catch {
      let rejected = RunnerState.Rejected(manifest: manifest, stamp: stamp)
      for index in runners.indices where isOld(runners[index]) {
        if error.isTheRunnersDoing { runners[index].rejected = rejected }
        runners[index].remark = "its replacement isn't used: \(error.description)"
        Log.warning(
          "a runner's replacement isn't used", ("runner", manifest.id),
          ("tenant", runners[index].runner.key.tenantText), ("reason", error.description))
      }
      throw error
    }
  }

  private func runners(_ isOld: (RunnerState) -> Bool) -> [Runner] { runners.filter(isOld).map(\.runner) }

  private final class TakeOver: Sendable { let result = Mutex<Result<[Runner], HostError>>(.success([])) }

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

  /// Runners that are to take over, by whose models they run.
  private struct Fresh {
    var runners: [TenantID?: Runner] = [:]
    var facts: [TenantID?: RunnerFacts] = [:]
    let stamp: LibraryStamp?
  }

  private func takeOver(
    from isOld: (RunnerState) -> Bool, by manifest: RunnerManifest, opening scopes: [TenantID?], _ stamp: LibraryStamp?
  ) async -> Result<[Runner], HostError> {
    var moves: [Move] = []
    var fresh = Fresh(stamp: stamp)
    do throws(HostError) {
      for scope in scopes { _ = try await open(scope, manifest, &fresh) }
      var done: Set<ObjectIdentifier> = []
      // Loads into the old ones may have been under way, and come to their end meanwhile.
      while true {
        let left = served(by: isOld).filter { !done.contains(ObjectIdentifier($0.version)) }
        if left.isEmpty { break }
        let olds = runners(isOld)
        for (version, number) in left where models[version.key]?.versions[number]?.served === version {
          let runner = try await open(manifest.scope(of: version.tenant), manifest, &fresh)
          let contract = Contract(version.instances[0])
          var instances: [LoadedModel] = []
          for instance in version.instances {
            if olds.contains(where: { $0 === instance.runner }) {
              var request = instance.request
              request.isMove = true
              instances.append(try await load(request, on: runner, under: contract))
            } else {
              instances.append(instance)
            }
          }
          moves.append(Move(number: number, old: version, new: version.with(instances)))
          done.insert(ObjectIdentifier(version))
        }
      }
      // From here on nothing waits: requests find the old ones or the new ones, never none.
      let olds = runners(isOld)
      guard !olds.isEmpty else { throw HostError(.conflict, "another change came first") }
      if let error = Self.processEnd(among: moves.flatMap(\.new.instances)) { throw error }
      if let ended = fresh.runners.values.first(where: \.hasEnded) {
        throw HostError(.runnerFailed, "runner \(ended.id): its process has ended", isProcessEnd: true)
      }
      // Tenants may have gone meanwhile.
      let homeless = fresh.runners.filter { $0.key.map { !tenants.contains($0) } ?? false }
      for scope in homeless.keys { fresh.runners[scope] = nil }
      place(fresh, insteadOf: isOld)
      let unused = moves.flatMap(take)
      publish()
      for instance in unused { await instance.runner.unload(instance) }
      for runner in homeless.values { await runner.stop() }
      return .success(olds)
    } catch {
      for runner in fresh.runners.values { await runner.stop() }
      return .failure(error)
    }
  }

  /// The runner that is to take over in `scope`, opened with the first that wants it.
  private func open(
    _ scope: TenantID?, _ manifest: RunnerManifest, _ fresh: inout Fresh
  ) async throws(HostError) -> Runner {
    if let runner = fresh.runners[scope] { return runner }
    let runner = makeRunner(manifest, for: scope)
    fresh.runners[scope] = runner
    if let scope { await runner.setWeight(options.weight(scope)) }
    fresh.facts[scope] = try await runner.open()
    return runner
  }

  /// Makes `fresh` the router's runners, each where one of its name and tenant stands, and takes the old ones away.
  private func place(_ fresh: Fresh, insteadOf isOld: (RunnerState) -> Bool) {
    let olds = runners.indices.filter { isOld(runners[$0]) }
    for index in olds { runners[index].isGone = true }
    for (scope, runner) in fresh.runners {
      var state = RunnerState(runner)
      state.facts = fresh.facts[scope]
      state.stamp = fresh.stamp
      if let index = runners.indices.first(where: { runners[$0].runner.key == runner.key && runners[$0].isGone }) {
        // Crashes in a row go on counting.
        if olds.contains(index) { state.record = runners[index].record }
        state.record.startedNs = linux_now_ns()
        runners[index] = state
      } else {
        state.record.startedNs = linux_now_ns()
        places[scope, default: []].append(runners.count)
        runners.append(state)
      }
      histories[runner.key, default: RunnerHistory()].starts += 1
    }
  }

  /// Has a version served where it has been loaded anew.
  ///
  /// - Returns: What was loaded for nothing: it was unloaded, lost or loaded anew meanwhile.
  private func take(_ move: Move) -> [LoadedModel] {
    guard models[move.old.key]?.versions[move.number]?.served === move.old else {
      return move.new.instances.filter { instance in !move.old.instances.contains { $0 === instance } }
    }
    models[move.old.key]?.versions[move.number]?.phase = .ready(move.new)
    return []
  }

  /// What runners serve now, by key.
  private func served(by isOld: (RunnerState) -> Bool) -> [(version: ServedVersion, number: Int)] {
    let runners = runners(isOld)
    return models.sorted { $0.key < $1.key }.flatMap { _, model in
      model.versions.compactMap { number, version in
        version.serves(runners) ? version.served.map { ($0, number) } : nil
      }
    }
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
  fileprivate func serves(_ runners: [Runner]) -> Bool {
    served?.instances.contains { instance in runners.contains { $0 === instance.runner } } ?? false
  }
}
