package import Inference
import Manifests
import Registry
import Running

/// Versions that nobody is served by yet, each tried out in a process of its own.
extension Router {
  /// Loads the only version of a model as it would be served, and lets it go again: what it takes and gives.
  ///
  /// - Parameters:
  ///   - tenant: Whose memory it takes meanwhile.
  ///   - root: The folder with the model's, where runners may read.
  /// - Throws: As `tryOut` does; `.quotaExceeded` where the tenant's loaded models leave no room for it.
  package func introspect(_ name: String, of tenant: TenantID, in root: String) async throws(HostError) -> Introspection
  {
    let trial = try await tryOut(name, of: tenant, in: root, memory: options.memoryBudget(tenant))
    await trial.end()
    let model = trial.model
    return Introspection(format: model.format, runner: model.runnerID, inputs: model.inputs, outputs: model.outputs)
  }

  /// Loads the only version of a model in a fresh process of the runner that would serve it, even of one that runs in the
  /// host; where `model.json` names several devices, on each of them.
  ///
  /// - Throws: `.overloaded` if it may work later, else why it won't. That a process has ended is reason enough, whatever
  ///   other runners might say: the one that serves others would end, too.
  package func tryOut(
    _ name: String, of tenant: TenantID, in root: String, memory: MemoryBudget? = nil
  ) async throws(HostError) -> Trial {
    var problems: [String] = []
    guard var entry = ModelFolder.model(name, root: root, problems: &problems), let version = entry.versions.first
    else {
      throw HostError(.invalidRequest, "the version has no model that could be loaded")
    }
    if let problem = entry.settingsProblem ?? version.problem { throw HostError(.invalidRequest, problem) }
    entry.tenant = tenant
    await trialPlaces.take()
    do throws(HostError) {
      return try await tryOut(version, of: entry, in: root, memory)
    } catch {
      await trialPlaces.give()
      if error.isOverMemoryBudget { throw error }
      throw HostError(error.code, Self.withoutFolder(error.description, entry), isProcessEnd: error.isProcessEnd)
    }
  }

  private func tryOut(
    _ version: VersionEntry, of entry: ModelEntry, in root: String, _ memory: MemoryBudget?
  ) async throws(HostError) -> Trial {
    let settings = entry.settings
    let files = version.files.filter { $0.problem == nil }
    var reasons = version.files.compactMap(\.problem)
    let demand = RunnerDemand(for: files, settings)
    var asked: [RunnerChoice.Pick] = []
    var devices: [DeviceKind] = []
    var first: Trial?
    while first == nil || settings.devices.count > 1 {
      let ranked = await ranking(for: demand, of: entry.tenant) { pick in
        (devices.isEmpty || settings.devices.contains(pick.device) && !devices.contains(pick.device))
          && !asked.contains(pick)
      }
      let (candidates, ranking) = (ranked.candidates, ranked.ranking)
      guard let pick = ranking.picks.first else {
        if let first { return first }
        if asked.isEmpty {
          let error = RunnerChoice.failure(ranking, among: candidates, for: demand)
          throw HostError(error.code, ([error.message] + reasons).joined(separator: "; "))
        }
        let away = ranking.rejections.filter(\.isTemporary)
        reasons += away.map { "runner \($0.id) \($0.reason)" }
        throw HostError(away.isEmpty ? .unsupported : .overloaded, reasons.joined(separator: "; "))
      }
      asked.append(pick)
      let file = files[pick.format]
      do throws(HostError) {
        let request = Runner.LoadRequest(
          path: file.path, format: file.format, device: pick.device,
          options: settings.options(forRunner: candidates[pick.candidate].id), memory: memory,
          byteCount: Int(file.stamp.byteCount))
        let trial = try await tryOut(request, on: ranked.runner(of: pick).manifest, of: entry, in: root)
        devices.append(pick.device)
        if first == nil { first = trial } else { await trial.stop() }
      } catch {
        guard !error.isProcessEnd, error.code != .overloaded, !error.isOverMemoryBudget else {
          await first?.stop()
          throw error
        }
        reasons.append(version.files.count > 1 ? "\(file.format): \(error.description)" : error.description)
      }
    }
    guard let first else { preconditionFailure("the loop ends with a trial or an error") }
    return first
  }

  private func tryOut(
    _ request: Runner.LoadRequest, on manifest: RunnerManifest, of entry: ModelEntry, in root: String
  ) async throws(HostError) -> Trial {
    var manifest = manifest
    manifest.isolation = .process
    var processes = options.processes
    // What nobody has looked at yet sees nothing but itself.
    processes.modelRoots = [root]
    let runner = Runner(manifest, of: entry.tenant, options: processes)
    do throws(HostError) {
      try await runner.open()
      let model = try await load(request, on: runner, under: nil, labelling: entry.settings.labels.keys.sorted())
      for output in model.outputs { _ = try entry.labels(for: output.name) }
      if let end = model.processEnd { throw end }
      return Trial(model, in: runner, trialPlaces)
    } catch {
      await runner.stop()
      throw error
    }
  }
}
