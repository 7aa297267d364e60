public import CStadionRunner
import Glibc
import RunnerKit
import Synchronization

private let table = PluginTable(OpenVINOPlugin.self)

@c(stadion_plugin_entry)
public func entry(_ hostMajor: UInt32, _ hostMinor: UInt32) -> UnsafePointer<stadion_plugin>? {
  table.pointer(hostMajor: hostMajor)
}

/// ONNX, TFLite, SavedModel and IR models through OpenVINO, on the devices that it finds.
enum OpenVINOPlugin: RunnerPlugin {
  typealias Runner = OpenVINORunner

  static let id = "org.stadion.openvino"
  static let version = "0.1.0"
  static var engine: String? { Engine.current.map { "openvino \($0.version)" } }

  /// Those that the engine has found. To a host that doesn't tell options before `create` there is the CPU alone.
  static var devices: [Device] {
    guard let engine = Engine.current else {
      return [EngineDevice.cpu.device(title: "", coreCount: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))]
    }
    return engine.devices.map { $0.device.device(title: $0.title, coreCount: engine.coreCount) }
  }

  static func open(_ host: Host) throws(RunnerError) {
    Engine.host.withLock { $0 = host }
    guard let options = host.options else { return }
    _ = try Engine.open(try OpenVINORunner.library(options))
  }

  static func close() {
    Engine.close()
    Engine.host.withLock { $0 = nil }
  }
}

/// An open engine, one of its devices, and the settings that models start from.
final class OpenVINORunner: Runner {
  private let engine: Engine
  private let device: EngineDevice
  private let settings: ModelSettings
  private let cacheFolder: String?

  static func library(_ options: Options) throws(RunnerError) -> String {
    guard let path = options["library"] else {
      throw RunnerError(
        .invalidArgument,
        "option library is missing: the absolute path of libopenvino_c.so; get it with `make engines/openvino`")
    }
    return path
  }

  init(device: Device, options: Options) throws(RunnerError) {
    try options.check(known: ["library", "cache_folder"] + ModelSettings.keys)
    engine = try Engine.open(Self.library(options))
    settings = try ModelSettings(options, over: ModelSettings(), coreCount: engine.coreCount)
    cacheFolder = try options["cache_folder"].map { (path) throws(RunnerError) in try Self.writable(path) }
    let names = engine.devices.map(\.device.name).joined(separator: ", ")
    let found = engine.devices.first { $0.device.kind == device.kind && $0.device.ordinal == device.ordinal }
    guard let found else {
      throw RunnerError(.unavailable, "OpenVINO has no \(device.kind) \(device.ordinal) here; it has \(names)")
    }
    self.device = found.device
  }

  func load(path: String, options: Options, ticket: Ticket) throws(RunnerError) -> OpenVINOModel {
    try options.check(known: ModelSettings.keys)
    let settings = try ModelSettings(options, over: settings, coreCount: engine.coreCount)
    return try OpenVINOModel(engine, device, path: path, settings, cacheFolder: cacheFolder, ticket)
  }

  /// - Throws: `.failedPrecondition` unless a file can be made there: the engine itself would go on without a word.
  private static func writable(_ path: String) throws(RunnerError) -> String {
    guard path.hasPrefix("/") else {
      throw RunnerError(.invalidArgument, "option cache_folder: \(path) isn't an absolute path")
    }
    let probe = "\(path)/.stadion-\(getpid())"
    let file = Glibc.open(probe, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      throw RunnerError(
        .failedPrecondition,
        "option cache_folder: can't write to \(path): \(String(cString: strerror(errno))); make it, and name it in the "
          + "manifest under access.write")
    }
    Glibc.close(file)
    unlink(probe)
    return path
  }
}
