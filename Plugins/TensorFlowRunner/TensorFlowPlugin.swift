public import CStadionRunner
import RunnerKit
import Synchronization

private let table = PluginTable(TensorFlowPlugin.self)

@c(stadion_plugin_entry)
public func entry(_ hostMajor: UInt32, _ hostMinor: UInt32) -> UnsafePointer<stadion_plugin>? {
  table.pointer(hostMajor: hostMajor)
}

/// SavedModels on the CPU through TensorFlow.
enum TensorFlowPlugin: RunnerPlugin {
  typealias Runner = TensorFlowRunner

  static let id = "org.stadion.tensorflow"
  static let version = "0.1.0"
  static var engine: String? { Engine.version.map { "tensorflow \($0)" } }
  static let devices = [
    Device(formats: ["saved_model"], maxConcurrentRuns: 64, flags: [.dynamicShapes, .parallelLoads])
  ]

  static func open(_ host: Host) { Engine.host.withLock { $0 = host } }
  /// TensorFlow's own threads stay: it has no way to end them.
  static func close() { Engine.host.withLock { $0 = nil } }
}

/// The engine and what models start from.
final class TensorFlowRunner: Runner {
  private let engine: Engine
  private let settings: ModelSettings

  init(device: Device, options: Options) throws(RunnerError) {
    try options.check(known: ["library"] + ThreadCounts.keys + ModelSettings.keys)
    let threads = try ThreadCounts(options)
    settings = try ModelSettings(options)
    guard let path = options["library"] else {
      throw RunnerError(
        .invalidArgument,
        "option library is missing: the absolute path of libtensorflow_cc.so.2; get it with `make engines/tensorflow`")
    }
    engine = try Engine.open(path, threads)
  }

  func load(path: String, options: Options, ticket: Ticket) throws(RunnerError) -> TensorFlowModel {
    try options.check(known: ThreadCounts.keys + ModelSettings.keys)
    try engine.threads.check(options)
    guard !ticket.isCancelled else { throw ticket.interruption }
    return try TensorFlowModel(engine, path: path, try ModelSettings(options, over: settings))
  }
}
