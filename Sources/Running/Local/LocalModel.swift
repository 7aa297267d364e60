import CLinux
import CStadionRunner
package import Inference
import Synchronization
import Threads

/// A model in this process: the plugin's own object.
package final class LocalModel: ModelHome, @unchecked Sendable {
  // @unchecked: the pointers are set once; `unload` waits until no run uses them.

  package let signature: ModelSignature
  private let plugin: Plugin
  private let pointer: OpaquePointer
  /// True once the runner may no longer be called with this model.
  private let isUnloaded = Mutex(false)

  /// Reads the signature of a model that `plugin` has just loaded.
  ///
  /// - Throws: `.runnerFailed` or `.unsupported` for a signature that can't be served; the caller unloads the model.
  init(plugin: Plugin, pointer: OpaquePointer) throws(HostError) {
    self.plugin = plugin
    self.pointer = pointer
    signature = try ModelSignature(
      runnerID: plugin.id, inputs: Self.specs(plugin, pointer, outputs: false),
      outputs: Self.specs(plugin, pointer, outputs: true), metadata: Self.metadata(plugin, pointer))
    names =
      Self.names(plugin, pointer, outputs: false, signature.inputs.count)
      + Self.names(plugin, pointer, outputs: true, signature.outputs.count)
    inputCount = signature.inputs.count
  }

  /// Names as the runner gave them, the inputs' first; they live until the model is unloaded.
  private let names: [UnsafePointer<CChar>]
  private let inputCount: Int

  private static func specs(
    _ plugin: Plugin, _ pointer: OpaquePointer, outputs: Bool
  ) throws(HostError) -> [TensorSpec] {
    let side = outputs ? "output" : "input"
    func refuse(_ reason: String) -> HostError { HostError(.runnerFailed, "runner \(plugin.id): \(reason)") }
    var specs: [TensorSpec] = []
    // One more than may be, so that the check finds too many.
    while specs.count <= ModelSignature.maxTensors,
      let tensor = plugin.table.pointee.signature(pointer, outputs, UInt32(specs.count))?.pointee
    {
      guard tensor.struct_size >= UInt32(MemoryLayout<stadion_tensor>.size), let name = tensor.name else {
        throw refuse("\(side) \(specs.count) has no size or name")
      }
      let text = String(cString: name)
      guard let type = ElementType(dtype: tensor.dtype) else {
        throw refuse("\(side) '\(text)' has element type \(tensor.dtype)")
      }
      guard tensor.rank == 0 || tensor.shape != nil else {
        throw refuse("\(side) '\(text)' has rank \(tensor.rank) and no shape")
      }
      guard tensor.rank <= UInt32(RunRequest.maxRank) else {
        throw HostError(
          .unsupported, "\(side) '\(text)' has rank \(tensor.rank), at most \(RunRequest.maxRank) is served")
      }
      let shape = Array(UnsafeBufferPointer(start: tensor.shape, count: Int(tensor.rank)))
      specs.append(TensorSpec(name: text, elementType: type, shape: shape))
    }
    return specs
  }

  private static func names(
    _ plugin: Plugin, _ pointer: OpaquePointer, outputs: Bool, _ count: Int
  ) -> [UnsafePointer<CChar>] {
    (0..<count).compactMap { plugin.table.pointee.signature(pointer, outputs, UInt32($0))?.pointee.name }
  }

  private static func metadata(_ plugin: Plugin, _ pointer: OpaquePointer) -> [(key: String, value: String)] {
    func string(_ text: stadion_text) -> String {
      guard let data = text.data, text.size <= 1 << 20 else { return "" }
      return String(decoding: UnsafeRawBufferPointer(start: data, count: text.size), as: UTF8.self)
    }
    var pairs: [(key: String, value: String)] = []
    while pairs.count < ModelSignature.maxTensors,
      let pair = plugin.table.pointee.metadata?(pointer, UInt32(pairs.count))?.pointee
    {
      pairs.append((string(pair.key), string(pair.value)))
    }
    return pairs
  }

  func inputName(_ index: Int) -> UnsafePointer<CChar> { names[index] }

  func outputIndex(of name: UnsafePointer<CChar>) -> Int? {
    // Nearly always the runner emits the signature's own names.
    for index in inputCount..<names.count where names[index] == name { return index - inputCount }
    for index in inputCount..<names.count where strcmp(names[index], name) == 0 { return index - inputCount }
    return nil
  }

  // MARK: Running

  var isHere: Bool { true }

  func begin(_ request: RunRequest) {}

  func start(_ request: RunRequest) {}
  func bell(on loop: any TargetLoop) -> RunBell? { nil }
  func finish(_ request: RunRequest, at bell: RunBell) async throws(HostError) -> UInt64 { try run(request) }

  @inline(__always)
  func finish(_ request: RunRequest, patienceNs: UInt64) throws(HostError) -> UInt64? {
    try run(request)
  }

  /// Runs `request` on the calling thread, which may block.
  ///
  /// - Returns: Nanoseconds that the run took.
  package func run(_ request: RunRequest) throws(HostError) -> UInt64 {
    let start = linux_now_ns()
    let code = plugin.table.pointee.run(pointer, request.arguments(for: self), request.error)
    request.endRun()
    let duration = linux_now_ns() - start
    guard code == Code.ok else { throw failure(code, request) }
    try request.checkOutputs()
    return duration
  }

  private func failure(_ code: stadion_code, _ request: RunRequest) -> HostError {
    if let fault = request.takeFault() { return fault }
    if code == Code.cancelled {
      return HostError(.cancelled, "runner \(plugin.id) says that its run was cancelled; nobody did that")
    }
    return ErrorRecord.hostError(request.error, code, runnerID: plugin.id, doing: "run")
  }

  package func interrupt(ticketID: UInt64) {
    guard let interrupt = plugin.interrupt?.pointee.interrupt else { return }
    isUnloaded.withLock { isUnloaded in
      if !isUnloaded { interrupt(pointer, ticketID) }
    }
  }

  func note(_ lines: inout HotLines) {
    lines.add(self, 64)
    lines.add(names)
    // Whatever the runner keeps there; it begins with what a run reads, perhaps.
    lines.add(UnsafeRawPointer(pointer), 128)
  }

  /// [control]. After the last run.
  package func unload() {
    isUnloaded.withLock { $0 = true }
    let before = linux_allocated_bytes()
    plugin.table.pointee.unload(pointer)
    TensorMemory.trim()
    Self.giveBack(freed: max(0, before - linux_allocated_bytes()))
  }

  /// Freed by unloads since memory was last given back to the system.
  private static let freedBytes = Atomic<Int>(0)
  private static let worthwhileBytes = 1 << 20

  /// Gives memory back where that is worth a walk through all that is free, which among thousands of models takes 15 ms.
  private static func giveBack(freed byteCount: Int) {
    guard freedBytes.wrappingAdd(byteCount, ordering: .relaxed).newValue >= worthwhileBytes else { return }
    freedBytes.store(0, ordering: .relaxed)
    linux_trim_memory()
  }
}
