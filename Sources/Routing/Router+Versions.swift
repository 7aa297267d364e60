import Inference
import Manifests
import Registry
import Running
import Telemetry

/// How one version comes to be served: by whom, and what is kept of those who refused it.
extension Router {
  /// Has `version` served in its present form. What was served before stays until the new one is ready.
  ///
  /// - Parameters:
  ///   - reloads: Even if it is served as it is.
  ///   - retries: Even if the same bytes have failed before.
  /// - Returns: Whether it is served, be it in an older form.
  func bring(_ version: VersionEntry, of entry: ModelEntry, reloads: Bool, retries: Bool) async -> Bool {
    let name = ModelKey.text(entry.tenant, entry.name)
    guard models[name]?.isHeld == false else { return false }
    let known = models[name]?.versions[version.number]
    // One that was in the same form. What a new form takes and gives is its own affair, and its counts begin anew.
    let former = known?.entry == version && !reloads ? known : nil
    if let known, known.entry == version, !reloads, !isWorthMoving(known, entry.tenant) {
      if known.served != nil && (known.problem == nil || !retries) { return true }
      let mayHelp = retries || known.reason == "superseded" || known.reason == "unloaded"
      if case .unavailable = known.phase, !mayHelp { return false }
    }
    if known?.served == nil {
      models[name]?.versions[version.number] = VersionState(
        entry: version, phase: .loading, statistics: former?.statistics, displacedFrom: known?.displacedFrom,
        contract: former?.contract, fatalLoads: former?.fatalLoads ?? [])
      publish(name)
    }
    // It has its model back after this, or has refused it.
    let homeWasAsked = known?.displacedFrom.map { isInUse($0, entry.tenant) } ?? false
    var inquiry = Inquiry()
    do throws(HostError) {
      if let problem = version.problem { throw HostError(.invalidRequest, problem) }
      let statistics = former?.statistics ?? former?.served?.statistics
      let served = try await load(version, of: entry, after: former, statistics: statistics, &inquiry)
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
      let displacedFrom = isHome || homeWasAsked ? nil : known?.displacedFrom
      models[name]?.versions[version.number] = VersionState(
        entry: version, phase: .ready(served), displacedFrom: displacedFrom,
        contract: displacedFrom == nil ? nil : Contract(served.instances[0]))
      publish(name)
      Log.info(
        "loaded a model", ("model", name), ("version", version.label), ("runner", served.instances[0].runnerID),
        ("device", served.instances[0].device.name))
      if let old { await retire([old]) }
      return true
    } catch {
      Log.warning(
        "failed to load a model", ("model", name), ("version", version.label), ("reason", error.description))
      let wasFatal = error.isProcessEnd && error.code == .runnerFailed
      let fatalLoads = (former?.fatalLoads ?? []) + (wasFatal ? inquiry.fatalLoads.prefix(1) : [])
      if known?.served == nil && (error.code == .overloaded || (1..<Self.fatalLoadLimit).contains(fatalLoads.count)) {
        // Tried again when the runner is back. That it had been served and by whom says more than that nobody else is
        // there; why others didn't take it says more still.
        var reason = Self.withoutFolder(error.description, entry)
        if inquiry.asked.isEmpty, case .lost(let earlier) = known?.phase { reason = earlier }
        models[name]?.versions[version.number] = VersionState(
          entry: version, phase: .lost(reason), statistics: former?.statistics,
          displacedFrom: known?.displacedFrom, contract: former?.contract, fatalLoads: fatalLoads)
        publish(name)
        return false
      }
      let reason = Self.withoutFolder(error.description, entry)
      // Remembered with the new stamp, so that the same bytes aren't tried again and again.
      let old = models[name]?.versions[version.number]?.served
      models[name]?.versions[version.number] = VersionState(
        entry: version, phase: old.map { .ready($0) } ?? .unavailable(reason),
        problem: old == nil ? nil : "changed on disk, still served as it was: \(reason)",
        overBudget: error.isOverMemoryBudget ? error : nil,
        displacedFrom: old == nil ? nil : known?.displacedFrom)
      publish(name)
      return old != nil
    }
  }

  /// Engines name the file they read; where it lies is for the log, not for clients.
  static func withoutFolder(_ reason: String, _ entry: ModelEntry) -> String {
    reason.replacing("\(entry.path)/", with: "")
  }

  /// Loads of one version that may end a runner's process before it is left alone, the last of them with no other load
  /// beside it; fewer than quarantine takes.
  private static let fatalLoadLimit = 2

  /// A version that another runner has taken over goes back once its own works again.
  private func isWorthMoving(_ version: VersionState, _ tenant: TenantID) -> Bool {
    guard version.served != nil, let home = version.displacedFrom else { return false }
    return isInUse(home, tenant)
  }

  private func isInUse(_ runnerID: String, _ tenant: TenantID) -> Bool {
    places(for: tenant).contains { runners[$0].runner.id == runnerID && runners[$0].reason == nil }
  }

  /// What loading a version has met with.
  private struct Inquiry {
    /// Runners that were asked, whether they took it or not.
    var asked: [Runner] = []
    var fatalLoads: [FatalLoad] = []
  }

  /// Loads one version into the best runner that takes one of its files; on each named device, if `model.json` names
  /// several.
  ///
  /// What a runner has said that was replaced or taken away meanwhile, no longer counts: others are asked then.
  ///
  /// - Parameter former: What it was in the same form.
  private func load(
    _ version: VersionEntry, of entry: ModelEntry, after former: VersionState?, statistics: ModelStatistics?,
    _ inquiry: inout Inquiry
  ) async throws(HostError) -> ServedVersion {
    while true {
      inquiry = Inquiry()
      do throws(HostError) {
        let served = try await loadOnce(version, of: entry, after: former, statistics: statistics, &inquiry)
        if served.instances.allSatisfy({ isKept($0.runner) }) { return served }
        await retire([served])
      } catch {
        if inquiry.asked.allSatisfy(isKept) { throw error }
      }
    }
  }

  /// It is neither replaced nor taken away.
  private func isKept(_ runner: Runner) -> Bool {
    runners.contains { $0.runner === runner && !$0.isGone }
  }

  private func loadOnce(
    _ version: VersionEntry, of entry: ModelEntry, after former: VersionState?, statistics: ModelStatistics?,
    _ inquiry: inout Inquiry
  ) async throws(HostError) -> ServedVersion {
    let settings = entry.settings
    let files = version.files.filter { $0.problem == nil }
    var reasons = version.files.compactMap(\.problem)
    let demand = RunnerDemand(for: files, settings)
    var ranked = await ranking(for: demand, of: entry.tenant)
    guard !ranked.ranking.picks.isEmpty else {
      let error = RunnerChoice.failure(ranked.ranking, among: ranked.candidates, for: demand)
      throw HostError(error.code, ([error.message] + reasons).joined(separator: "; "))
    }
    let fatalLoads = former?.fatalLoads ?? []
    func isFatal(_ pick: RunnerChoice.Pick) -> Bool { fatalLoads.contains { $0.path == files[pick.format].path } }
    var asked: [RunnerChoice.Pick] = []
    var devices: [DeviceKind] = []
    var instances: [LoadedModel] = []
    var end: HostError?
    while instances.isEmpty || settings.devices.count > 1 {
      func isLeft(_ pick: RunnerChoice.Pick) -> Bool {
        let isOpenPlace = instances.isEmpty || settings.devices.contains(pick.device)
        return isOpenPlace && !asked.contains(pick) && !devices.contains(pick.device)
      }
      // What ended a process before comes last: another file may do.
      ranked = await ranking(for: demand, of: entry.tenant) { isLeft($0) && !isFatal($0) }
      if ranked.ranking.picks.isEmpty { ranked = await ranking(for: demand, of: entry.tenant, where: isLeft) }
      guard let pick = ranked.ranking.picks.first else { break }
      asked.append(pick)
      let runner = ranked.runner(of: pick)
      let file = files[pick.format]
      inquiry.asked.append(runner)
      do throws(HostError) {
        let request = Runner.LoadRequest(
          path: file.path, format: file.format, device: pick.device, options: settings.options(forRunner: runner.id),
          maxConcurrentRuns: settings.maxConcurrentRuns, queueLimit: settings.queueLimit,
          inlineMicros: options.inlineMicros, memory: options.memoryBudget(entry.tenant),
          byteCount: Int(file.stamp.byteCount), sharedGate: sharedGate)
        let owed = runner.id == former?.displacedFrom ? nil : former?.contract
        let contract = instances.first.map(Contract.init) ?? owed
        instances.append(
          try await load(request, on: runner, under: contract, labelling: settings.labels.keys.sorted()))
        devices.append(pick.device)
      } catch {
        if error.isOverMemoryBudget {
          for instance in instances { await instance.runner.unload(instance) }
          throw error
        }
        let reason = version.files.count > 1 ? "\(file.format): \(error.description)" : error.description
        reasons.append(reason)
        guard error.isProcessEnd else { continue }
        // A load that ended a process says more than one that came after its end.
        if end?.code != .runnerFailed { end = error }
        if error.code == .runnerFailed { inquiry.fatalLoads.append(FatalLoad(path: file.path, reason: reason)) }
      }
    }
    guard !instances.isEmpty else {
      // Who is only away for now may take what these have refused.
      let away = ranked.ranking.rejections.filter { each in
        each.isTemporary && !inquiry.asked.contains { $0.id == each.id }
      }
      reasons += away.map { "runner \($0.id) \($0.reason)" }
      throw HostError(
        end?.code ?? (away.isEmpty ? .unsupported : .overloaded), reasons.joined(separator: "; "),
        isProcessEnd: end != nil)
    }
    if let end, Self.processEnd(among: instances) != nil {
      for instance in instances { await instance.runner.unload(instance) }
      throw end
    }
    for load in fatalLoads where !reasons.contains(load.reason) {
      if instances.allSatisfy({ $0.request.path != load.path }) { reasons.append(load.reason) }
    }
    return try await finished(version, of: entry, instances, remarks: reasons, statistics ?? ModelStatistics())
  }

  /// What is served, with its labels.
  ///
  /// - Throws: Why it can't have them; nothing is loaded any more then.
  private func finished(
    _ version: VersionEntry, of entry: ModelEntry, _ instances: [LoadedModel], remarks: [String],
    _ statistics: ModelStatistics
  ) async throws(HostError) -> ServedVersion {
    for remark in remarks {
      Log.warning(
        "passed over for a model that is served", ("model", entry.name), ("version", version.label), ("reason", remark))
    }
    do throws(HostError) {
      var labels: [[String]] = []
      for output in instances[0].outputs { labels.append(try entry.labels(for: output.name)) }
      return ServedVersion(
        tenant: entry.tenant, model: entry.name, number: version.number,
        version: registered[ModelKey.text(entry.tenant, entry.name)]?.labels[version.number] ?? String(version.number),
        instances: instances, labels: labels,
        timeoutMs: entry.settings.timeoutMs, remarks: remarks.map { Self.withoutFolder($0, entry) },
        statistics: statistics, notice: registered[entry.name]?.notices[version.number] ?? [])
    } catch {
      for instance in instances { await instance.runner.unload(instance) }
      throw error
    }
  }

  /// Loads a model into one runner.
  ///
  /// - Parameters:
  ///   - contract: What it must take and give; nil leaves it free.
  ///   - outputs: Names of outputs that it must have.
  /// - Throws: What the runner says, or what its model lacks; nothing is left behind then.
  func load(
    _ request: Runner.LoadRequest, on runner: Runner, under contract: Contract?, labelling outputs: [String] = []
  ) async throws(HostError) -> LoadedModel {
    let model = try await runner.load(request)
    do throws(HostError) {
      try checkClaims(model, runner)
      try contract?.check(model)
      if let unknown = outputs.first(where: { name in !model.outputs.contains { $0.name == name } }) {
        throw HostError(.invalidRequest, "model.json has labels for '\(unknown)', which is no output of the model")
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
