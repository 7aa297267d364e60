import Inference
package import Manifests
import Running
import Synchronization
import Telemetry

extension Router {
  /// Takes what a later search has found: new runners serve what nobody could before, and those whose manifest is gone
  /// give their models to others, if there are any. Requests under way are answered.
  ///
  /// A runner in a process of its own whose manifest or library has changed is replaced while it serves. One in the host
  /// keeps what it was opened with: a library is opened once in a process.
  ///
  /// - Parameter search: Runs when earlier updates have decided, so that the last one knows the newest.
  package func update(_ search: @escaping @Sendable () -> ManifestSearch.Result) async {
    let previous = lastUpdate
    let task = Task {
      _ = await previous?.value
      return await self.take(search())
    }
    lastUpdate = task
    let leaving = await task.value
    // Runners, not ids: a later search may find the manifest again, for which there is another runner then.
    for name in models.keys { await withdraw(name, from: leaving.gone) }
    // Beside each other: a last run that never ends holds nobody up but those who wait for it.
    await withTaskGroup(of: Void.self) { group in
      for runner in leaving.replaced { group.addTask { await runner.stop() } }
      for runner in leaving.gone { group.addTask { await self.dismiss(runner) } }
    }
    await rescan(retriesFailures: true)
  }

  package func update(_ result: ManifestSearch.Result) async {
    await update { result }
  }

  /// Runners that an update has put out of use.
  struct Leaving: Sendable {
    var replaced: [Runner] = []
    var gone: [Runner] = []
  }

  private func take(_ result: ManifestSearch.Result) async -> Leaving {
    let before = manifests
    found.withLock { $0 = result }
    for problem in result.problems where !before.problems.contains(problem) {
      Log.warning("refused a manifest", ("problem", problem.description))
    }
    var leaving = Leaving()
    for manifest in result.manifests {
      leaving.replaced += await take(manifest)
    }
    for index in runners.indices where !runners[index].isGone {
      let runner = runners[index].runner
      if result.manifests.contains(where: { runners[index].mayBecome($0) || stays(runners[index], $0) }) { continue }
      runners[index].isGone = true
      leaving.gone.append(runner)
      Log.info("a runner's manifest is gone", ("runner", runner.id))
    }
    return leaving
  }

  /// - Returns: The runners in whose place there are others now.
  private func take(_ manifest: RunnerManifest) async -> [Runner] {
    for state in runners where state.isDividedOtherwise(than: manifest) { await state.opening?.value }
    if let others = runners.indices.first(where: { stays(runners[$0], manifest) }) {
      return await redivide(others, manifest)
    }
    let known = runners.indices.filter { runners[$0].mayBecome(manifest) }
    guard !known.isEmpty else {
      meetRunners(for: .standard)
      Log.info("found a runner", ("runner", manifest.id))
      return []
    }
    // Of many tenants' some at a time: until one has taken over, there are two.
    return await withTaskGroup(of: Runner?.self) { group in
      var replaced: [Runner?] = []
      for (count, index) in known.enumerated() {
        if count >= Self.replacementsAtOnce, let old = await group.next() { replaced.append(old) }
        group.addTask { await self.take(manifest, index) }
      }
      for await old in group { replaced.append(old) }
      return replaced.compactMap(\.self)
    }
  }

  /// It goes on though `manifest` wants it divided otherwise: until the processes that are to take its place have done so.
  private func stays(_ state: RunnerState, _ manifest: RunnerManifest) -> Bool {
    state.isDividedOtherwise(than: manifest)
      && runners.contains { $0.isDividedOtherwise(than: manifest) && $0.facts != nil }
  }

  /// Puts processes for each tenant in the place of one for all, or the other way round.
  private func redivide(_ index: Int, _ manifest: RunnerManifest) async -> [Runner] {
    let attempt = RunnerState.Rejected(manifest: manifest, stamp: LibraryStamp(manifest))
    if runners[index].rejected == attempt { return [] }
    return (try? await replace({ $0.isDividedOtherwise(than: manifest) }, by: manifest)) ?? []
  }

  private static let replacementsAtOnce = 4

  private func take(_ manifest: RunnerManifest, _ index: Int) async -> Runner? {
    // What it shows decides what becomes of it.
    while let opening = runners[index].opening { await opening.value }
    let isStopped = runners[index].isGone && runners[index].runner.manifest.isolation != .host
    runners[index].isGone = false
    let stamp = LibraryStamp(manifest)
    let isSame = runners[index].runner.manifest == manifest && runners[index].stamp == stamp
    if isStopped { return renew(index, manifest) }
    if runners[index].facts == nil {
      // Never opened, refused, or down: its library may be another by now.
      return isSame && runners[index].refusal == nil ? nil : renew(index, manifest)
    }
    if isSame {
      runners[index].remark = nil
      runners[index].rejected = nil
    } else if runners[index].rejected == RunnerState.Rejected(manifest: manifest, stamp: stamp) {
      return nil
    } else if runners[index].runner.manifest.isolation != .host && manifest.isolation != .host {
      let old = runners[index].runner
      return try? await replace({ $0.runner === old && !$0.isGone }, by: manifest, opening: [old.tenant]).first
    } else {
      runners[index].remark =
        "its manifest or library has changed; a runner in the host keeps what it was opened with until the host "
        + "starts again"
    }
    return nil
  }

  /// Forgets a runner that serves nothing, or nothing for long, for another of the same name.
  private func renew(_ index: Int, _ manifest: RunnerManifest) -> Runner {
    let old = runners[index].runner
    runners[index] = RunnerState(makeRunner(manifest, for: old.tenant))
    abandon(old)
    return old
  }

  /// Ends the processes for a tenant's models, who is served no more.
  func endRunners(of tenant: TenantID) async {
    for index in places(for: tenant) where runners[index].runner.tenant == tenant && !runners[index].isGone {
      guard !tenants.contains(tenant) else { return }
      let old = renew(index, runners[index].runner.manifest)
      await old.stop()
    }
  }

  /// Ends the process of a runner whose manifest is gone.
  private func dismiss(_ runner: Runner) async {
    guard runner.manifest.isolation != .host else { return }
    if let index = runners.firstIndex(where: { $0.runner === runner }) { runners[index].facts = nil }
    await runner.stop()
  }

  /// Takes what `gone` serve out of service, to be loaded elsewhere by the scan that follows.
  private func withdraw(_ name: String, from gone: [Runner]) async {
    if gone.isEmpty { return }
    await serially(name) { await self.retireServed(name, from: gone) }
  }

  private func retireServed(_ name: String, from gone: [Runner]) async {
    let retired = takeServed(name, reason: "its runner's manifest is gone") { number in
      self.models[name]?.versions[number]?.served?.instances.contains { instance in
        gone.contains { $0 === instance.runner }
      } ?? false
    }
    publish(name)
    await retire(retired)
  }
}
