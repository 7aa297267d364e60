package import Inference
import Manifests
import Registry
import Running
import Telemetry

extension Router {
  // MARK: The model folder

  /// Looks at the model folder again and serves what it says: new versions come, gone ones go, failures leave what runs.
  ///
  /// - Parameter retriesFailures: Tries again what has failed before, as after a new runner has come.
  package func rescan(retriesFailures: Bool = false) async {
    guard let root = options.modelRoot else { return }
    let scan = ModelFolder.scan(root: root)
    for problem in scan.problems where problem != "" { Log.debug("skipped in the model folder", ("problem", problem)) }
    let names = Set(models.keys).union(scan.models.map(\.name)).sorted()
    // Beside each other: a model that takes long to load, or whose last run never ends, holds up no other.
    await withTaskGroup(of: Void.self) { group in
      for name in names {
        group.addTask {
          await self.serially(name) { await self.reconcile(name, retriesFailures: retriesFailures) }
        }
      }
    }
  }

  /// Loads a model on request, whatever it was before.
  ///
  /// - Throws: `.notFound` for a model that isn't in the folder, else why no wanted version could be loaded.
  package func load(_ name: String) async throws(HostError) {
    await serially(name) {
      await self.hold(name, false)
      await self.reconcile(name, retriesFailures: true)
    }
    guard let state = models[name] else {
      throw HostError(.notFound, "failed to load '\(name)': no such model in the repository")
    }
    let wanted = state.entry.settings.wantedVersions(of: state.entry.versions)
    for version in wanted.reversed() {
      guard let reason = state.versions[version.number]?.reason else { continue }
      throw HostError(.invalidRequest, "failed to load '\(name)': \(reason)")
    }
    if wanted.isEmpty || state.entry.settingsProblem != nil {
      throw HostError(.invalidRequest, "failed to load '\(name)': \(state.firstProblem ?? "no version is wanted")")
    }
  }

  /// Stops serving a model until `load`. Requests under way are answered. Unknown models are fine.
  package func unload(_ name: String) async {
    guard models[name] != nil else { return }
    hold(name, true)
    let retired = takeServed(name, reason: "unloaded") { _ in true }
    publish()
    await serially(name) {
      await self.retire(retired)
      // What a load that was under way has brought since.
      await self.retireServed(name)
    }
  }

  private func retireServed(_ name: String) async {
    guard models[name]?.isHeld == true else { return }
    let retired = takeServed(name, reason: "unloaded") { _ in true }
    publish()
    await retire(retired)
  }

  private func hold(_ name: String, _ isHeld: Bool) { models[name]?.isHeld = isHeld }

  /// Runs `change` after every earlier change of the same model.
  func serially(_ name: String, _ change: @escaping @Sendable () async -> Void) async {
    let previous = changes[name]
    let task = Task {
      await previous?.value
      await change()
    }
    changes[name] = task
    await task.value
    if changes[name] == task { changes[name] = nil }
  }

  private func remove(_ name: String) async {
    let retired = takeServed(name, reason: "its folder is gone") { _ in true }
    models[name] = nil
    publish()
    await retire(retired)
  }

  /// Brings one model to what its folder says now: the change may have waited long.
  func reconcile(_ name: String, retriesFailures: Bool = false) async {
    var problems: [String] = []
    guard let root = options.modelRoot, let entry = ModelFolder.model(name, root: root, problems: &problems) else {
      return await remove(name)
    }
    models[name, default: ModelState(entry: entry)].entry = entry
    guard models[name]?.isHeld == false else { return }
    guard entry.settingsProblem == nil else {
      Log.warning("can't use a model's settings", ("model", name), ("reason", entry.settingsProblem ?? ""))
      publish()
      return
    }
    let settingsChanged = models[name]?.settings.map { $0 != entry.settings } ?? false
    models[name]?.settings = entry.settings
    let wanted = entry.settings.wantedVersions(of: entry.versions)
    let present = Set(entry.versions.map(\.number))
    var isComplete = true
    for version in wanted.reversed() {
      let isServed = await bring(version, of: entry, reloads: settingsChanged, retries: retriesFailures)
      isComplete = isComplete && isServed
    }
    if !wanted.isEmpty && !isComplete && !hasServed(name, among: present) {
      // What is wanted doesn't work and nothing is left from before: an older version is better than none.
      for version in entry.versions.reversed() where !wanted.contains(where: { $0.number == version.number }) {
        if await bring(version, of: entry, reloads: false, retries: retriesFailures) { break }
      }
    }
    let keep = Set(wanted.map(\.number))
    let retired = takeServed(name, reason: "superseded") { number in
      !present.contains(number) || (isComplete && !keep.contains(number))
    }
    for number in Array(models[name]?.versions.keys ?? [:].keys) where !present.contains(number) {
      models[name]?.versions[number] = nil
    }
    publish()
    await retire(retired)
  }

  private func hasServed(_ name: String, among numbers: Set<Int>) -> Bool {
    models[name]?.versions.contains { numbers.contains($0.key) && $0.value.served != nil } ?? false
  }

  /// Takes versions out of service; requests that hold them go on.
  func takeServed(_ name: String, reason: String, _ isChosen: (Int) -> Bool) -> [ServedVersion] {
    var taken: [ServedVersion] = []
    for (number, version) in models[name]?.versions ?? [:] where isChosen(number) {
      if let served = version.served { taken.append(served) }
      models[name]?.versions[number]?.phase = .unavailable(reason)
    }
    return taken
  }

  /// Unloads after the last request has let go.
  func retire(_ versions: [ServedVersion]) async {
    for version in versions {
      for instance in version.instances { await instance.runner.unload(instance) }
      Log.info("unloaded a model", ("model", version.model), ("version", version.version))
    }
  }

  // MARK: One version

  /// Has `version` served in its present form. What was served before stays until the new one is ready.
  ///
  /// - Parameters:
  ///   - reloads: Even if it is served as it is.
  ///   - retries: Even if the same bytes have failed before.
  /// - Returns: Whether it is served, be it in an older form.
  private func bring(_ version: VersionEntry, of entry: ModelEntry, reloads: Bool, retries: Bool) async -> Bool {
    let name = entry.name
    guard models[name]?.isHeld == false else { return false }
    let known = models[name]?.versions[version.number]
    if let known, known.entry == version, !reloads, !isWorthMoving(known) {
      if known.served != nil && (known.problem == nil || !retries) { return true }
      let mayHelp = retries || known.reason == "superseded" || known.reason == "unloaded"
      if case .unavailable = known.phase, !mayHelp { return false }
    }
    if known?.served == nil {
      models[name]?.versions[version.number] = VersionState(
        entry: version, phase: .loading, statistics: known?.statistics, displacedFrom: known?.displacedFrom,
        fatalLoads: known?.fatalLoads ?? 0)
      publish()
    }
    // It has its model back after this, or has refused it.
    let homeWasAsked = known?.displacedFrom.map { isInUse($0) } ?? false
    do throws(HostError) {
      if let problem = version.problem { throw HostError(.invalidRequest, problem) }
      // A version that moves keeps its counts, one that is new begins anew.
      let earlier = known?.entry == version && !reloads ? known?.served?.statistics : nil
      let served = try await load(version, of: entry, statistics: known?.statistics ?? earlier)
      if let end = Self.processEnd(among: served.instances) {
        await retire([served])
        // Which need not have been this model's doing.
        throw HostError(.overloaded, end.message)
      }
      guard models[name]?.isHeld == false else {
        // Unloaded meanwhile, which has also taken what was served before.
        await retire([served])
        return false
      }
      let old = models[name]?.versions[version.number]?.served
      let isHome = served.instances.contains { $0.runnerID == known?.displacedFrom }
      models[name]?.versions[version.number] = VersionState(
        entry: version, phase: .ready(served), displacedFrom: isHome || homeWasAsked ? nil : known?.displacedFrom)
      publish()
      Log.info(
        "loaded a model", ("model", name), ("version", version.label), ("runner", served.instances[0].runnerID),
        ("device", served.instances[0].device.name))
      if let old { await retire([old]) }
      return true
    } catch {
      Log.warning(
        "failed to load a model", ("model", name), ("version", version.label), ("reason", error.description))
      let wasFatal = error.isProcessEnd && error.code == .runnerFailed
      let fatalLoads = (known?.entry == version ? known?.fatalLoads ?? 0 : 0) + (wasFatal ? 1 : 0)
      if known?.served == nil && (error.code == .overloaded || (1..<Self.fatalLoadLimit).contains(fatalLoads)) {
        // Tried again when the runner is back. That it had been served and by whom says more than who else is there.
        var reason = error.description
        if fatalLoads == 0, case .lost(let earlier) = known?.phase { reason = earlier }
        models[name]?.versions[version.number] = VersionState(
          entry: version, phase: .lost(reason), statistics: known?.statistics,
          displacedFrom: known?.displacedFrom, fatalLoads: fatalLoads)
        publish()
        return false
      }
      // Engines name the file they read; where it lies is for the log, not for clients.
      let reason = error.description.replacing("\(entry.path)/", with: "")
      // Remembered with the new stamp, so that the same bytes aren't tried again and again.
      let old = models[name]?.versions[version.number]?.served
      models[name]?.versions[version.number] = VersionState(
        entry: version, phase: old.map { .ready($0) } ?? .unavailable(reason),
        problem: old == nil ? nil : "changed on disk, still served as it was: \(reason)",
        displacedFrom: old == nil ? nil : known?.displacedFrom)
      publish()
      return old != nil
    }
  }

  /// Loads of one version that may end a runner's process before it is left alone; fewer than quarantine takes.
  private static let fatalLoadLimit = 3

  /// A version that another runner has taken over goes back once its own works again.
  private func isWorthMoving(_ version: VersionState) -> Bool {
    guard version.served != nil, let home = version.displacedFrom else { return false }
    return isInUse(home)
  }

  private func isInUse(_ runnerID: String) -> Bool {
    runners.contains { $0.runner.id == runnerID && $0.reason == nil }
  }

  /// Loads one version into the best runner that takes it; on each named device, if `model.json` names several.
  ///
  /// What a runner has said that was replaced or taken away meanwhile, no longer counts: others are asked then.
  private func load(
    _ version: VersionEntry, of entry: ModelEntry, statistics: ModelStatistics?
  ) async throws(HostError) -> ServedVersion {
    while true {
      var asked: [Runner] = []
      do throws(HostError) {
        let served = try await load(version, of: entry, statistics: statistics, asking: &asked)
        if served.instances.allSatisfy({ isKept($0.runner) }) { return served }
        await retire([served])
      } catch {
        if asked.allSatisfy(isKept) { throw error }
      }
    }
  }

  /// It is neither replaced nor taken away.
  private func isKept(_ runner: Runner) -> Bool {
    runners.contains { $0.runner === runner && !$0.isGone }
  }

  private func load(
    _ version: VersionEntry, of entry: ModelEntry, statistics: ModelStatistics?, asking asked: inout [Runner]
  ) async throws(HostError) -> ServedVersion {
    let settings = entry.settings
    let candidates = await candidates(for: version.format)
    var demand = RunnerDemand(format: version.format)
    demand.devices = settings.devices
    demand.devicesRequired = settings.deviceRequired
    demand.runners = settings.runners
    _ = try RunnerChoice.best(among: candidates, for: demand)
    var instances: [LoadedModel] = []
    var reasons: [String] = []
    var end: HostError?
    for pick in RunnerChoice.ranked(among: candidates, for: demand).picks {
      if !instances.isEmpty && (settings.devices.count < 2 || !settings.devices.contains(pick.device)) { break }
      if instances.contains(where: { $0.device == pick.device }) { continue }
      let runner = runners[pick.candidate].runner
      asked.append(runner)
      do throws(HostError) {
        instances.append(try await load(version, settings, on: runner, pick.device, like: instances.first))
      } catch {
        reasons.append(error.description)
        // A load that ended a process says more than one that came after its end.
        if error.isProcessEnd && end?.code != .runnerFailed { end = error }
      }
    }
    guard !instances.isEmpty else {
      throw HostError(
        end?.code ?? .unsupported, reasons.joined(separator: "; "), isProcessEnd: end != nil)
    }
    if let end, Self.processEnd(among: instances) != nil {
      for instance in instances { await instance.runner.unload(instance) }
      throw end
    }
    for reason in reasons {
      Log.warning(
        "a runner refused a model that another serves", ("model", entry.name), ("version", version.label),
        ("reason", reason))
    }
    do throws(HostError) {
      var labels: [[String]] = []
      for output in instances[0].outputs { labels.append(try entry.labels(for: output.name)) }
      if let unknown = settings.labels.keys.first(where: { name in !instances[0].outputs.contains { $0.name == name } })
      {
        throw HostError(.invalidRequest, "model.json has labels for '\(unknown)', which is no output of the model")
      }
      return ServedVersion(
        model: entry.name, version: String(version.number), format: version.format, instances: instances,
        labels: labels, timeoutMs: settings.timeoutMs, remarks: reasons, statistics: statistics ?? ModelStatistics())
    } catch {
      for instance in instances { await instance.runner.unload(instance) }
      throw error
    }
  }

  func load(
    _ version: VersionEntry, _ settings: ModelSettings, on runner: Runner, _ device: DeviceKind,
    like first: LoadedModel?
  ) async throws(HostError) -> LoadedModel {
    let model = try await runner.load(
      Runner.LoadRequest(
        path: version.path, device: device, options: settings.options,
        maxConcurrentRuns: settings.maxConcurrentRuns, queueLimit: settings.queueLimit,
        inlineMicros: options.inlineMicros))
    do throws(HostError) {
      try checkClaims(model, runner)
      // Requests are read once, by the first one's signature, whichever instance then takes them.
      if let first, first.inputs != model.inputs || first.outputs != model.outputs {
        throw HostError(
          .unsupported,
          "runner \(runner.id) on \(model.device): inputs or outputs differ from those of \(first.runnerID) on "
            + "\(first.device)")
      }
      return model
    } catch {
      await runner.unload(model)
      throw error
    }
  }

  /// The model's real signature against what the runner's manifest claims.
  private func checkClaims(_ model: LoadedModel, _ runner: Runner) throws(HostError) {
    let claims = runner.manifest.models
    for tensor in model.inputs + model.outputs where !claims.elementTypes.contains(tensor.elementType) {
      throw HostError(
        .unsupported,
        "runner \(runner.id): '\(tensor.name)' is \(tensor.elementType.manifestName), which its manifest doesn't list")
    }
    if let tensor = model.inputs.first(where: \.hasDynamicShape), !claims.dynamicShapes {
      throw HostError(
        .unsupported, "runner \(runner.id): '\(tensor.name)' has a dynamic shape, which its manifest doesn't claim")
    }
  }
}
