import Confinement
import Inference
import Manifests
import Telemetry
import Wire

/// A runner in a process of its own. [control]: one call at a time.
final class ProcessRunner: RunnerHome, @unchecked Sendable {
  // @unchecked: only used from its runner's control thread, but for `processID` and `hasEnded`, which never change hands.

  private let manifest: RunnerManifest
  private let process: RunnerProcess
  let facts: RunnerFacts
  private var lastModel: UInt32 = 0

  /// Starts a process and has it open the runner's library.
  ///
  /// - Throws: `.incompatibleRunner` with what the library says; `.runnerFailed` when opening it ended the process.
  init(
    _ manifest: RunnerManifest, _ key: RunnerKey, _ options: ProcessOptions,
    onEnd: @escaping @Sendable (RunnerEnd) -> Void
  ) throws(HostError) {
    self.manifest = manifest
    var options = options
    if let limit = manifest.limits.killAfterMs { options.killAfterMs = limit }
    process = try RunnerProcess(key, options, manifest.limits, onEnd: onEnd)
    do throws(HostError) {
      let answer = try process.call(
        [
          "open": ControlMessages.encode(manifest), "arenaBytes": .integer(options.arenaBytes),
          "spinMicros": .integer(options.spinMicros),
          "confinement": RunnerAccess.encode(
            RunnerAccess.confinement(for: manifest, modelRoots: options.modelRoots)),
        ], timeoutMs: options.openTimeoutMs, doing: "open its library")
      guard let facts = ControlMessages.facts(answer)?.narrowed(by: manifest) else {
        throw HostError(
          .incompatibleRunner, "runner \(manifest.id): its process didn't say that it has what the manifest names")
      }
      self.facts = facts
    } catch {
      process.stop()
      // What the library itself says against being opened it says with codes of all kinds.
      throw error.isProcessEnd ? error : HostError(.incompatibleRunner, error.message)
    }
  }

  var hasEnded: Bool { process.end != nil }
  var processID: Int32 { process.processID }

  func load(_ request: Runner.LoadRequest, device: Int) throws(HostError) -> (home: any ModelHome, ModelSignature) {
    lastModel += 1
    let limitMs = manifest.limits.loadTimeoutMs ?? Self.standardLoadTimeoutMs
    // The runner sees its deadline first; the process is ended only when it doesn't look.
    let answer = try process.call(
      [
        "load": .integer(lastModel), "path": .string(request.path), "device": .integer(device),
        "options": ControlMessages.encode(request.options),
      ], timeoutMs: limitMs + process.options.killAfterMs, doing: "load \(request.path.fileName)")
    let signature: ModelSignature
    do throws(HostError) {
      signature = try ControlMessages.signature(answer, runnerID: manifest.id)
    } catch {
      _ = try? process.call(["unload": .integer(lastModel)], timeoutMs: limitMs, doing: "unload a model")
      throw error
    }
    return (ProcessModel(lastModel, signature, process), signature)
  }

  /// For manifests that set none.
  private static let standardLoadTimeoutMs = 300_000

  func setWeight(_ weight: Int) {
    guard !hasEnded else { return }
    let isSet = !process.key.sharesHostSession && SessionShare.set(processID, weight: weight)
    guard !isSet, weight > 1 else { return }
    Log.info(
      "a runner's process gets no larger part of the cores than others", ("runner", process.key.id),
      ("tenant", process.key.tenantText), ("weight", String(weight)))
  }

  func stop() { process.stop() }
}

extension RunnerFacts {
  /// What a process may say under its manifest; nil for a device that the manifest doesn't name.
  fileprivate func narrowed(by manifest: RunnerManifest) -> RunnerFacts? {
    var narrowed: [Device] = []
    for device in devices {
      let claim = manifest.devices.first { $0.kind == device.kind && ($0.ordinal ?? device.ordinal) == device.ordinal }
      guard let claim else { return nil }
      let runs = min(device.maxConcurrentRuns, claim.maxConcurrentRuns ?? device.maxConcurrentRuns)
      narrowed.append(Device(kind: device.kind, name: device.name, ordinal: device.ordinal, maxConcurrentRuns: runs))
    }
    return RunnerFacts(version: version, engine: engine, score: score, devices: narrowed)
  }
}

extension String {
  /// What follows the last slash: where models lie is nothing for clients.
  fileprivate var fileName: String { split(separator: "/").last.map(String.init) ?? self }
}
