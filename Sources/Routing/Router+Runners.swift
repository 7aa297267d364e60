import CLinux
import Glibc
package import Inference
import Manifests
import Running
import Telemetry

/// The router's runners: made for the tenants whose models may go to them, opened when they may be the best, ranked.
extension Router {
  /// Makes the runners that a tenant's models may go to, once.
  func meetRunners(for tenant: TenantID) {
    for found in manifests.manifests {
      // Known as it is to be: nothing of it is divided otherwise.
      if knows(found, found.scope(of: tenant), { !$0.isGone }) { continue }
      // Until its processes are divided as it says, or for as long as they can't be, others come as they were.
      let manifest = runners.first { $0.isDividedOtherwise(than: found) && $0.facts != nil }?.runner.manifest ?? found
      let scope = manifest.scope(of: tenant)
      if scope != nil && !tenants.contains(tenant) { continue }
      if !knows(manifest, scope) { meet(manifest, for: scope) }
    }
  }

  private func knows(
    _ manifest: RunnerManifest, _ scope: TenantID?, _ isCounted: (RunnerState) -> Bool = { _ in true }
  ) -> Bool {
    places[scope, default: []].contains { runners[$0].runner.id == manifest.id && isCounted(runners[$0]) }
  }

  private func meet(_ manifest: RunnerManifest, for tenant: TenantID?) {
    places[tenant, default: []].append(runners.count)
    runners.append(RunnerState(makeRunner(manifest, for: tenant)))
  }

  /// Where the runners stand that a tenant's models may go to.
  func places(for tenant: TenantID) -> [Int] { (places[nil, default: []] + places[tenant, default: []]).sorted() }

  func makeRunner(_ manifest: RunnerManifest, for tenant: TenantID?) -> Runner {
    let box = RunnerBox()
    let runner = Runner(manifest, of: tenant, options: processOptions(for: tenant)) { [weak self] end in
      Task { [weak self] in
        if let self, let runner = box.runner { await self.lost(runner, end) }
      }
    }
    box.runner = runner
    return runner
  }

  /// Tells the runners of a tenant's models what its weight is now.
  package func weigh(_ tenant: TenantID) {
    for index in places[tenant, default: []] {
      let runner = runners[index].runner
      // Whoever loads a model now is told after that; of two changes at once the newer stays.
      Task { await runner.setWeight(self.options.weight(tenant)) }
    }
  }

  package func weighAll() {
    for case let tenant? in places.keys { weigh(tenant) }
  }

  /// A process for one tenant's models may read the folders of these alone.
  private func processOptions(for tenant: TenantID?) -> ProcessOptions {
    var processes = options.processes
    if let tenant {
      let own = [options.modelRoots.ownFolder(of: tenant), options.registryFolder(of: tenant)]
      // What isn't there when a process is confined can't be read later either.
      for folder in ([options.registryRoot] + own).compactMap(\.self) { mkdir(folder, 0o755) }
      processes.modelRoots += own.compactMap(\.self)
      if tenant == .standard, let root = options.modelRoots.standard { processes.modelRoots.append(root) }
    } else {
      processes.modelRoots += options.modelRoots.all + [options.registryRoot].compactMap(\.self)
    }
    return processes
  }

  // MARK: Reports

  /// What is known of the runners that a tenant's models may go to. Opens none, as an engine costs a process and its
  /// memory; waits for those that are being opened.
  ///
  /// - Parameter withOthers: Also of those for other tenants' models that have been opened, or couldn't be.
  package func runnerReports(for tenant: TenantID = .standard, withOthers: Bool = false) async -> [RunnerReport] {
    meetRunners(for: tenant)
    let own = places(for: tenant)
    for index in own where runners[index].opening != nil { await open(index) }
    let others = withOthers ? runners.indices.filter { !own.contains($0) && runners[$0].word != "not opened" } : []
    let served = servedNames(for: tenant)
    return (own + others).map { runners[$0] }.filter { !$0.isGone }.map { report($0, served) }
  }

  /// The same of one, which is opened for it.
  ///
  /// - Throws: `.notFound`.
  package func runnerReport(_ id: String, for tenant: TenantID = .standard) async throws(HostError) -> RunnerReport {
    let index = try place(of: id, for: tenant)
    await open(index)
    return report(runners[index], servedNames(for: tenant))
  }

  /// - Throws: `.notFound`.
  func place(of id: String, for tenant: TenantID) throws(HostError) -> Int {
    meetRunners(for: tenant)
    guard let index = places(for: tenant).first(where: { runners[$0].runner.id == id && !runners[$0].isGone }) else {
      throw HostError(.notFound, "no runner '\(id)'; `stadion runner list --all` names them")
    }
    return index
  }

  private func report(_ state: RunnerState, _ served: [RunnerKey: [String]]) -> RunnerReport {
    RunnerReport(
      manifest: state.runner.manifest, tenant: state.runner.tenant, facts: state.facts, state: state.word,
      reason: state.reason ?? state.remark, processID: state.facts == nil ? nil : state.runner.processID,
      crashes: state.record.count, models: (served[state.runner.key] ?? []).sorted())
  }

  /// `name:version` of what each runner serves; of one that has models of all tenants, those of `tenant`.
  private func servedNames(for tenant: TenantID) -> [RunnerKey: [String]] {
    var names: [RunnerKey: [String]] = [:]
    for version in models.values.flatMap({ $0.versions.values.compactMap(\.served) }) {
      for key in Set(version.instances.map(\.runner.key)) where key.tenant != nil || version.tenant == tenant {
        names[key, default: []].append("\(version.model):\(version.version)")
      }
    }
    return names
  }

  // MARK: Opening and ranking

  /// Opens runner `index`; a failure is kept as its refusal, unless trying again may help.
  func open(_ index: Int) async {
    // Again, if it was replaced meanwhile: whoever asks goes on with one that is known.
    while runners[index].facts == nil, runners[index].reason == nil {
      if let opening = runners[index].opening {
        await opening.value
        continue
      }
      let runner = runners[index].runner
      let task = Task {
        await self.open(runner, index)
        if self.runners[index].runner === runner { self.runners[index].opening = nil }
      }
      runners[index].opening = task
      await task.value
    }
  }

  private func open(_ runner: Runner, _ index: Int) async {
    guard runners[index].runner === runner else { return }
    if let tenant = runner.tenant { await runner.setWeight(options.weight(tenant)) }
    let stamp = LibraryStamp(runner.manifest)
    await openingPlaces.take()
    if runners[index].runner === runner { runners[index].record.startedNs = linux_now_ns() }
    let result: Result<RunnerFacts, HostError>
    do { result = .success(try await runner.open()) } catch { result = .failure(error) }
    await openingPlaces.give()
    do throws(HostError) {
      let facts = try result.get()
      guard runners[index].runner === runner, runners[index].health == .fine else { return }
      runners[index].facts = facts
      runners[index].stamp = stamp
      histories[runner.key, default: RunnerHistory()].starts += 1
    } catch {
      Log.warning(
        "refused a runner", ("runner", runner.id), ("tenant", runner.key.tenantText), ("reason", error.description))
      guard runners[index].runner === runner else { return }
      switch error.code {
      // Its process has ended, of which `lost` is told, too.
      case .runnerFailed where error.isProcessEnd:
        if runners[index].health == .fine { runners[index].health = .comingBack(error.description) }
      // No process could be started: nobody else will tell.
      case .overloaded where runner.manifest.isolation != .host:
        await lost(runner, RunnerEnd(reason: error.description))
      default: runners[index].refusal = error.description
      }
    }
  }

  /// Runners as the choice wants them, with what their manifests say of those that aren't open.
  private func candidates(_ places: [Int]) -> [RunnerCandidate] {
    let table = table
    let loads = runsInFlight.counts(modelCount: table.count) { table.runsInFlight }
    return places.map { runners[$0] }.map { state in
      let manifest = state.runner.manifest
      return RunnerCandidate(
        id: manifest.id, formats: manifest.models.formats,
        devices: state.facts.map { $0.devices.map(\.kind) } ?? manifest.devices.map(\.kind),
        elementTypes: manifest.models.elementTypes, dynamicShapes: manifest.models.dynamicShapes,
        streams: manifest.models.streams, batching: manifest.models.batching,
        health: state.candidateHealth, priority: manifest.priority,
        score: state.facts?.score ?? 100, load: loads[manifest.id] ?? 0)
    }
  }

  /// Runners in their order for a model.
  struct Ranked {
    let candidates: [RunnerCandidate]
    let ranking: RunnerChoice.Ranking
    fileprivate let runners: [Runner]

    func runner(of pick: RunnerChoice.Pick) -> Runner { runners[pick.candidate] }
  }

  /// Ranks a tenant's runners for `demand`. Only those are opened that may be the best: an engine costs a process and its
  /// memory.
  ///
  /// - Parameter isLeft: Picks that are still to be considered.
  func ranking(
    for demand: RunnerDemand, of tenant: TenantID, where isLeft: (RunnerChoice.Pick) -> Bool = { _ in true }
  ) async -> Ranked {
    while true {
      meetRunners(for: tenant)
      let places = places(for: tenant)
      let candidates = candidates(places)
      let all = RunnerChoice.ranked(among: candidates, for: demand)
      let ranking = RunnerChoice.Ranking(picks: all.picks.filter(isLeft), rejections: all.rejections)
      // What opening shows decides among these, and may take them out.
      let unopened = RunnerChoice.leaders(of: ranking, among: candidates, for: demand).map { places[$0] }.filter {
        runners[$0].facts == nil && runners[$0].reason == nil
      }
      if unopened.isEmpty {
        return Ranked(candidates: candidates, ranking: ranking, runners: places.map { runners[$0].runner })
      }
      for index in unopened { await open(index) }
    }
  }
}

extension RunnerManifest {
  /// Whose models share a process with those of `tenant`; nil for those of all.
  func scope(of tenant: TenantID) -> TenantID? { isolation == .process ? tenant : nil }
}

/// Lets a runner's closure name the runner.
private final class RunnerBox: @unchecked Sendable {
  // @unchecked: set before the runner can start a process, read only after.
  weak var runner: Runner?
}
