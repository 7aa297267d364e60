public import CStadionRunner
import RunnerKit
import Synchronization

private let table = PluginTable(LiteRTPlugin.self)

@c(stadion_plugin_entry)
public func entry(_ hostMajor: UInt32, _ hostMinor: UInt32) -> UnsafePointer<stadion_plugin>? {
  table.pointer(hostMajor: hostMajor)
}

/// TFLite models through LiteRT.
enum LiteRTPlugin: RunnerPlugin {
  typealias Runner = LiteRTRunner

  static let id = "org.stadion.litert"
  static let version = "0.1.0"
  /// The library doesn't tell its version.
  static var engine: String? { Library.isOpen ? "litert" : nil }
  static let devices = [
    Device(
      formats: ["tflite"], maxConcurrentRuns: UInt32(CompileSettings.maxConcurrentRuns),
      flags: [.dynamicShapes, .pollsCancel, .parallelLoads])
  ]

  static func open(_ host: Host) { Library.host.withLock { $0 = host } }
  static func close() { Library.host.withLock { $0 = nil } }
}

/// LiteRT's environment and the settings its models are compiled with.
final class LiteRTRunner: Runner {
  private let environment: Environment
  private let settings: CompileSettings

  init(device: Device, options: Options) throws(RunnerError) {
    try options.check(known: ["library", "accelerator"] + CompileSettings.keys)
    settings = try CompileSettings(options, over: CompileSettings())
    let names = Accelerator.allCases.map(\.rawValue)
    let accelerator = try options.choice("accelerator", of: names).flatMap { Accelerator(rawValue: $0) } ?? .cpu
    guard let path = options["library"] else {
      throw RunnerError(
        .invalidArgument,
        "option library is missing: the absolute path of libLiteRt.so; get it with `make engines/litert`")
    }
    environment = try Environment(try Library.open(path), accelerator)
  }

  func load(path: String, options: Options, ticket: Ticket) throws(RunnerError) -> LiteRTModel {
    try options.check(known: ["signature"] + CompileSettings.keys)
    let settings = try CompileSettings(options, over: settings)
    guard !ticket.isCancelled else { throw ticket.interruption }
    return try LiteRTModel(environment, path: path, signature: options["signature"], settings, ticket)
  }
}
