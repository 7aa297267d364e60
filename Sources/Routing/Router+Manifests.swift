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
  package func update(_ result: ManifestSearch.Result) async {
    meetRunners()
    let before = manifests
    found.withLock { $0 = result }
    for problem in result.problems where !before.problems.contains(problem) {
      Log.warning("refused a manifest", ("problem", problem.description))
    }
    for manifest in result.manifests { await take(manifest) }
    var gone: Set<String> = []
    for index in runners.indices where !runners[index].isGone {
      let id = runners[index].runner.id
      if result.manifests.contains(where: { $0.id == id }) { continue }
      runners[index].isGone = true
      gone.insert(id)
      Log.info("a runner's manifest is gone", ("runner", id))
    }
    for name in models.keys { await withdraw(name, from: gone) }
    for index in runners.indices where gone.contains(runners[index].runner.id) { await dismiss(index) }
    await rescan(retriesFailures: true)
  }

  private func take(_ manifest: RunnerManifest) async {
    guard let index = runners.firstIndex(where: { $0.runner.id == manifest.id }) else {
      runners.append(RunnerState(makeRunner(manifest)))
      Log.info("found a runner", ("runner", manifest.id))
      return
    }
    let wasGone = runners[index].isGone
    runners[index].isGone = false
    let stamp = LibraryStamp(manifest.libraryPath)
    let isSame = runners[index].runner.manifest == manifest && runners[index].stamp == stamp
    if runners[index].facts == nil {
      // Never opened, refused, down, or stopped for good: its library may be another by now.
      if !isSame || wasGone || runners[index].refusal != nil { await renew(index, manifest) }
    } else if !isSame {
      if runners[index].rejected == RunnerState.Rejected(manifest: manifest, stamp: stamp) { return }
      if runners[index].runner.manifest.isolation == .process && manifest.isolation == .process {
        await replace(index, by: manifest)
      } else {
        runners[index].remark =
          "its manifest or library has changed; a runner in the host keeps what it was opened with until the host "
          + "starts again"
      }
    } else {
      runners[index].remark = nil
      runners[index].rejected = nil
    }
  }

  /// Forgets a runner that serves nothing, for another of the same name.
  private func renew(_ index: Int, _ manifest: RunnerManifest) async {
    let old = runners[index].runner
    runners[index] = RunnerState(makeRunner(manifest))
    await old.stop()
  }

  /// Ends the process of a runner whose manifest is gone.
  private func dismiss(_ index: Int) async {
    guard runners[index].runner.manifest.isolation == .process else { return }
    let old = runners[index].runner
    runners[index].facts = nil
    await old.stop()
  }

  /// Takes what the runners of `ids` serve out of service, to be loaded elsewhere by the scan that follows.
  private func withdraw(_ name: String, from ids: Set<String>) async {
    if ids.isEmpty { return }
    await serially(name) { await self.retireServed(name, from: ids) }
  }

  private func retireServed(_ name: String, from ids: Set<String>) async {
    let retired = takeServed(name, reason: "its runner's manifest is gone") { number in
      self.models[name]?.versions[number]?.served?.instances.contains { ids.contains($0.runnerID) } ?? false
    }
    publish()
    await retire(retired)
  }
}
