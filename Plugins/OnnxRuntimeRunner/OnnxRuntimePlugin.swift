public import CStadionRunner
import RunnerKit
import Synchronization

private let table = PluginTable(OnnxRuntimePlugin.self)

@c(stadion_plugin_entry)
public func entry(_ hostMajor: UInt32, _ hostMinor: UInt32) -> UnsafePointer<stadion_plugin>? {
  table.pointer(hostMajor: hostMajor)
}

/// ONNX models on the CPU through ONNX Runtime.
enum OnnxRuntimePlugin: RunnerPlugin {
  typealias Runner = OnnxRuntimeRunner

  static let id = "org.stadion.onnxruntime"
  static let version = "0.1.0"
  static var engine: String? { Engine.version.map { "onnxruntime \($0)" } }
  static let devices = [
    Device(formats: ["onnx"], maxConcurrentRuns: 64, flags: [.dynamicShapes, .parallelLoads])
  ]

  static func open(_ host: Host) { Engine.host.withLock { $0 = host } }
  static func close() {
    Engine.close()
    Engine.host.withLock { $0 = nil }
  }
}

/// An open engine and the settings its sessions start from.
final class OnnxRuntimeRunner: Runner {
  private let engine: Engine
  private let settings: SessionSettings

  init(device: Device, options: Options) throws(RunnerError) {
    try options.check(known: ["library"] + SessionSettings.keys)
    settings = try SessionSettings(options, over: SessionSettings())
    guard let path = options["library"] else {
      throw RunnerError(
        .invalidArgument,
        "option library is missing: the absolute path of libonnxruntime.so; get it with `make engines/onnxruntime`")
    }
    engine = try Engine.open(path)
  }

  func load(path: String, options: Options, ticket: Ticket) throws(RunnerError) -> OnnxModel {
    try options.check(known: SessionSettings.keys)
    let settings = try SessionSettings(options, over: settings)
    guard !ticket.isCancelled else { throw ticket.interruption }
    return try OnnxModel(engine, path: path, settings)
  }
}
