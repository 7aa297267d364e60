package import Manifests
import Running
import Synchronization
import Telemetry

extension Router {
  /// Takes what a later search has found: new runners serve what nobody could before, and those whose manifest is gone
  /// give their models to others, if there are any. Requests under way are answered.
  ///
  /// A runner that has been opened keeps the manifest it was opened with: a library is opened once in a process.
  package func update(_ result: ManifestSearch.Result) async {
    let before = manifests
    found.withLock { $0 = result }
    for problem in result.problems where !before.problems.contains(problem) {
      Log.warning("refused a manifest", ("problem", problem.description))
    }
    for manifest in result.manifests { take(manifest) }
    var gone: Set<String> = []
    for index in runners.indices where !runners[index].isGone {
      let id = runners[index].runner.id
      if result.manifests.contains(where: { $0.id == id }) { continue }
      runners[index].isGone = true
      gone.insert(id)
      Log.info("a runner's manifest is gone", ("runner", id))
    }
    for name in models.keys { await withdraw(name, from: gone) }
    await rescan(retriesFailures: true)
  }

  private func take(_ manifest: RunnerManifest) {
    guard let index = runners.firstIndex(where: { $0.runner.id == manifest.id }) else {
      runners.append(RunnerState(manifest))
      Log.info("found a runner", ("runner", manifest.id))
      return
    }
    if runners[index].plugin == nil {
      // Never opened, or refused: its library may be another by now.
      runners[index] = RunnerState(manifest)
    } else {
      runners[index].isGone = false
      let isSame = runners[index].runner.manifest == manifest
      runners[index].remark =
        isSame
        ? nil : "its manifest has changed; what it said when the runner was opened holds until the host starts again"
    }
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
