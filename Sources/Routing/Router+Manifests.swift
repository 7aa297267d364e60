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
    // Runners, not ids: while this waits, a later search may find the manifest again, for which there is another runner.
    var gone: [Runner] = []
    let latest = manifests.manifests
    for index in runners.indices where !runners[index].isGone {
      let runner = runners[index].runner
      if latest.contains(where: { $0.id == runner.id }) { continue }
      runners[index].isGone = true
      gone.append(runner)
      Log.info("a runner's manifest is gone", ("runner", runner.id))
    }
    for name in models.keys { await withdraw(name, from: gone) }
    for runner in gone { await dismiss(runner) }
    await rescan(retriesFailures: true)
  }

  private func take(_ manifest: RunnerManifest) async {
    guard let index = runners.firstIndex(where: { $0.runner.id == manifest.id }) else {
      runners.append(RunnerState(makeRunner(manifest)))
      Log.info("found a runner", ("runner", manifest.id))
      return
    }
    let isStopped = runners[index].isGone && runners[index].runner.manifest.isolation == .process
    runners[index].isGone = false
    let stamp = LibraryStamp(manifest.libraryPath)
    let isSame = runners[index].runner.manifest == manifest && runners[index].stamp == stamp
    if isStopped {
      await renew(index, manifest)
    } else if runners[index].facts == nil {
      // Never opened, refused, or down: its library may be another by now.
      if !isSame || runners[index].refusal != nil { await renew(index, manifest) }
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

  /// Forgets a runner that serves nothing, or nothing for long, for another of the same name.
  private func renew(_ index: Int, _ manifest: RunnerManifest) async {
    let old = runners[index].runner
    runners[index] = RunnerState(makeRunner(manifest))
    await old.stop()
  }

  /// Ends the process of a runner whose manifest is gone.
  private func dismiss(_ runner: Runner) async {
    guard runner.manifest.isolation == .process else { return }
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
    publish()
    await retire(retired)
  }
}
