import CLinux
import CStadionRunner
package import Inference
package import Manifests
import Telemetry

/// One runner plugin: opened once, its control calls made one at a time on a thread of its own.
package actor Runner {
  package nonisolated let manifest: RunnerManifest
  private nonisolated let control: RunThreads

  /// What opening has shown. Nil until `open`.
  private var plugin: Plugin?
  /// Why opening has failed: a library isn't asked twice.
  private var refusal: HostError?
  /// One `stadion_runner` per device that serves a model.
  private var instances: [(device: Int, pointer: OpaquePointer)] = []
  private var models: [LoadedModel] = []

  package nonisolated var unownedExecutor: UnownedSerialExecutor { control.asUnownedSerialExecutor() }
  package nonisolated var id: String { manifest.id }

  package init(_ manifest: RunnerManifest) {
    self.manifest = manifest
    control = RunThreads(name: "ctl-\(manifest.id.split(separator: ".").last ?? "")", limit: 1)
  }

  deinit { control.end() }

  /// Opens the library if it isn't yet.
  ///
  /// - Throws: `.incompatibleRunner`; the runner then serves nothing.
  package func open() throws(HostError) -> Plugin {
    if let plugin { return plugin }
    if let refusal { throw refusal }
    let opened: Plugin
    do {
      opened = try Plugin(manifest)
    } catch {
      refusal = error
      throw error
    }
    plugin = opened
    Log.info("opened a runner", ("runner", id), ("version", opened.version), ("score", String(opened.score)))
    return opened
  }

  package struct LoadRequest: Sendable {
    package let path: String
    package let device: DeviceKind
    package let options: [String: String]
    package let maxConcurrentRuns: Int?
    package let queueLimit: Int
    package let inlineMicros: Int

    package init(
      path: String, device: DeviceKind, options: [String: String], maxConcurrentRuns: Int?, queueLimit: Int,
      inlineMicros: Int
    ) {
      self.path = path
      self.device = device
      self.options = options
      self.maxConcurrentRuns = maxConcurrentRuns
      self.queueLimit = queueLimit
      self.inlineMicros = inlineMicros
    }
  }

  /// Loads a model. Blocks the control thread, perhaps for seconds.
  ///
  /// - Throws: What the runner says; nothing is left behind then.
  package func load(_ request: LoadRequest) throws(HostError) -> LoadedModel {
    let plugin = try open()
    guard let index = plugin.devices.firstIndex(where: { $0.kind == request.device }) else {
      throw HostError(.unsupported, "runner \(id) has no device \(request.device)")
    }
    if let limit = manifest.limits.models, models.count >= limit {
      throw HostError(.overloaded, "runner \(id) serves \(models.count) models, its manifest allows \(limit)")
    }
    let device = plugin.devices[index]
    let instance = try instance(plugin, index)
    let pointer = try load(plugin, instance, request)
    let runs = min(device.maxConcurrentRuns, request.maxConcurrentRuns ?? .max)
    let placement = LoadedModel.Placement(
      threads: RunThreads(name: "run-\(id.split(separator: ".").last ?? "")", limit: max(2, min(runs, 64))),
      gate: RunGate(limit: runs, queueLimit: request.queueLimit), place: RunPlace(inlineMicros: request.inlineMicros))
    do {
      let model = try LoadedModel(plugin: plugin, device: device.kind, pointer: pointer, placement: placement)
      models.append(model)
      return model
    } catch {
      plugin.table.pointee.unload(pointer)
      throw error
    }
  }

  private func instance(_ plugin: Plugin, _ index: Int) throws(HostError) -> OpaquePointer {
    if let known = instances.first(where: { $0.device == index }) { return known.pointer }
    let error = ErrorRecord()
    var created: OpaquePointer?
    let code = CText.withOptions(manifest.options) { options, count in
      plugin.table.pointee.create(plugin.devices[index].pointer, options, count, &created, error.pointer)
    }
    guard code == Code.ok, let created else { throw error.hostError(code, runnerID: id, doing: "start") }
    instances.append((index, created))
    return created
  }

  private func load(
    _ plugin: Plugin, _ instance: OpaquePointer, _ request: LoadRequest
  ) throws(HostError) -> OpaquePointer {
    let error = ErrorRecord()
    let ticket = Ticket()
    let timeout = UInt64(manifest.limits.loadTimeoutMs ?? 0) * 1_000_000
    ticket.renew(deadlineNs: timeout == 0 ? 0 : linux_now_ns() + timeout)
    var loaded: OpaquePointer?
    let code = CText.withOptions(request.options) { options, count in
      CText.withText(request.path) { path in
        plugin.table.pointee.load(instance, ticket.pointer, path, options, count, &loaded, error.pointer)
      }
    }
    guard code == Code.ok, let loaded else { throw error.hostError(code, runnerID: id, doing: "load the model") }
    return loaded
  }

  /// Unloads after the last run has ended.
  package func unload(_ model: LoadedModel) async {
    await model.drain()
    guard let index = models.firstIndex(where: { $0 === model }) else { return }
    models.remove(at: index)
    model.unload()
  }
}

/// Swift text as the contract's views, for the time of a call.
enum CText {
  static func withText<R>(_ text: String, _ body: (stadion_text) -> R) -> R {
    var text = text
    return text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { body(stadion_text(data: $0.baseAddress, size: $0.count)) }
    }
  }

  static func withOptions<R>(_ options: [String: String], _ body: (UnsafePointer<stadion_option>?, Int) -> R) -> R {
    // By key, so that a runner sees the same order every time.
    let pairs = options.sorted { $0.key < $1.key }
    let bytes = pairs.map { Array($0.key.utf8) + Array($0.value.utf8) }
    let texts: [UnsafeMutablePointer<CChar>] = bytes.map { text in
      let memory = UnsafeMutablePointer<CChar>.allocate(capacity: max(text.count, 1))
      for (index, byte) in text.enumerated() { memory[index] = CChar(bitPattern: byte) }
      return memory
    }
    defer { for text in texts { text.deallocate() } }
    let list = zip(pairs, texts).map { pair, text in
      let keySize = pair.key.utf8.count
      return stadion_option(
        key: stadion_text(data: text, size: keySize),
        value: stadion_text(data: text + keySize, size: pair.value.utf8.count))
    }
    return list.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
  }
}
