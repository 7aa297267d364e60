public import CStadionRunner
import Glibc
import RunnerKit

/// Multiplies by the number in the model's file. Stands in for an engine: put yours where "engine" is written.
enum Plugin: RunnerPlugin {
  typealias Runner = FactorRunner

  /// As in the manifest.
  static let id = "@ID@"
  static let version = "0.1.0"
  static let engine: String? = "factor 1.0"
  static let devices = [
    // So many threads call `run` at once, per model; 1 if the engine can't.
    Device(formats: ["@NAME@"], maxConcurrentRuns: 4, flags: [.dynamicShapes, .pollsCancel])
  ]
}

/// The engine, set up for a device.
final class FactorRunner: Runner {
  /// Start the engine here; `deinit` ends it.
  init(device: Device, options: Options) throws(RunnerError) {
    try checkNone(options)  // Those of the manifest.
  }

  func load(path: String, options: Options, ticket: Ticket) throws(RunnerError) -> FactorModel {
    try checkNone(options)  // Those of model.json.
    return try FactorModel(path: path)  // What takes seconds asks the ticket, as `compute` does.
  }
}

/// A word that nobody knows is a mistake somebody wants to see. See `Options.check` for a runner that has some.
private func checkNone(_ options: Options) throws(RunnerError) {
  guard let stranger = options.pairs.first else { return }
  throw RunnerError(.invalidArgument, "option \(stranger.key) is unknown; there are none")
}

/// What `load` read: an engine's session.
final class FactorModel: Model {
  /// One input and one output of any length; -1 = known only when a request comes.
  let inputs = [TensorSpec(name: "x", type: .f32, shape: [-1])]
  let outputs = [TensorSpec(name: "y", type: .f32, shape: [-1])]
  let metadata: [(key: String, value: String)] = []

  private let factor: Float

  /// The engine's part.
  init(path: String) throws(RunnerError) {
    guard let file = fopen(path, "re") else { throw RunnerError(.notFound, "the model's file can't be opened") }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 64)  // More than any number needs.
    let count = fread(&bytes, 1, bytes.count, file)
    let text = bytes[..<count].prefix { $0 > 32 }
    guard let factor = Float(String(decoding: text, as: UTF8.self)) else {
      throw RunnerError(.invalidArgument, "the model's file holds no number")
    }
    self.factor = factor
  }

  func run(_ request: Request) throws(RunnerError) {
    if let wanted = request.wantedOutputs, wanted.isEmpty { return }
    let x = request.input(0)  // Checked by the host against `inputs`; borrowed until this returns.
    // Memory of the host: what is written into it reaches the client without a copy.
    let y = try request.allocate(byteCount: x.bytes.count)
    try compute(x.bytes.bindMemory(to: Float.self), y.bytes.bindMemory(to: Float.self), request.ticket)
    try request.emit(outputName, .f32, x.shape, buffer: y, byteCount: x.bytes.count)
  }

  /// The engine's part. A request may be cancelled at any time: the ticket is asked every some microseconds of work.
  private func compute(
    _ x: UnsafeBufferPointer<Float>, _ y: UnsafeMutableBufferPointer<Float>, _ ticket: Ticket
  ) throws(RunnerError) {
    for index in x.indices {
      if index % 65536 == 0 && ticket.isCancelled { throw RunnerError(.cancelled, "cancelled") }
      y[index] = x[index] * factor
    }
  }
}

/// C text for the rest of the process.
nonisolated(unsafe) private let outputName = UnsafePointer(strdup("y")!)  // never written again

private let table = PluginTable(Plugin.self)

@c(stadion_plugin_entry)
public func entry(_ hostMajor: UInt32, _ hostMinor: UInt32) -> UnsafePointer<stadion_plugin>? {
  table.pointer(hostMajor: hostMajor)
}
