import COpenVINO
import Glibc
import RunnerKit
import Synchronization

typealias Handle = OpaquePointer

/// libopenvino_c, which never unloads, and the one core that every model is compiled by until the plugin closes.
final class Engine: @unchecked Sendable {  // constant after init; OpenVINO's core may be used by any thread
  let api: ov_api
  let path: String
  let version: String
  let core: Handle
  let devices: [(device: EngineDevice, title: String)]
  let coreCount = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  private let modelCount = Atomic(0)

  private static let opened = Mutex<Engine?>(nil)
  /// Of the library that this process has mapped, for ever.
  private static let mapped = Mutex<String?>(nil)
  /// Set between `open` and `close` of the plugin.
  static let host = Mutex<Host?>(nil)

  static var current: Engine? { opened.withLock { $0 } }

  /// The engine at `path`, which is opened by the first call. [control]
  ///
  /// - Throws: `.failedPrecondition` when another path was opened before; `.notFound`, `.unavailable` otherwise.
  static func open(_ path: String) throws(RunnerError) -> Engine {
    try opened.withLock { (opened) throws(RunnerError) -> Engine in
      if let first = mapped.withLock({ $0 }), first != path {
        throw RunnerError(
          .failedPrecondition, "this process already uses \(first) and can't change to \(path); start a new one")
      }
      if let engine = opened { return engine }
      let engine = try Engine(path)
      opened = engine
      let names = engine.devices.map(\.device.name).joined(separator: ", ")
      host.withLock { $0 }?.log(.info, "openvino \(engine.version) from \(path) with \(names)")
      return engine
    }
  }

  /// Lets go of the core: its threads end with the last runner that holds the engine, none by contract. [control]
  static func close() { opened.withLock { $0 = nil } }

  deinit { api.core_free(core) }

  private init(_ path: String) throws(RunnerError) {
    guard path.hasPrefix("/"), access(path, R_OK) == 0 else {
      throw RunnerError(
        .notFound,
        "option library: \(path) \(path.hasPrefix("/") ? "isn't there" : "isn't an absolute path"); "
          + "get it with `make engines/openvino`")
    }
    // oneDNN keeps the code of the last 1024 kernels, 5 MB and more, when the models that used them have gone; a model
    // has a cache of its own besides. Read when the first kernel is made; what the operator has set stays.
    setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0", 0)
    guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      throw RunnerError(.unavailable, "dlopen: \(dlerror().map { String(cString: $0) } ?? path)")
    }
    let table = UnsafeMutablePointer<ov_api>.allocate(capacity: 1)
    defer { table.deallocate() }
    if let missing = ov_api_find(library, table) {
      throw RunnerError(
        .incompatibleABI, "\(path) has no \(String(cString: missing)); OpenVINO 2026.4 or newer is needed")
    }
    Self.mapped.withLock { $0 = path }
    let api = table.pointee
    version = try Self.version(api)
    core = try api.make { api.core_create($0) }
    do throws(RunnerError) {
      devices = try Self.devices(api, core)
    } catch {
      api.core_free(core)
      throw error
    }
    self.api = api
    self.path = path
  }

  /// "2026.4.1" of "2026.4.1-22982-e213a147257-releases/2026/4".
  ///
  /// - Throws: `.incompatibleABI` for other years: element types have had other numbers.
  private static func version(_ api: ov_api) throws(RunnerError) -> String {
    var version = ov_version()
    try api.check(api.get_openvino_version(&version))
    defer { api.version_free(&version) }
    let build = version.build.map { String(cString: $0) } ?? ""
    let number = String(build.prefix { $0 != "-" })
    guard number.hasPrefix("2026.") else {
      throw RunnerError(.incompatibleABI, "this is OpenVINO \(number); the runner is made for 2026, from 2026.4 on")
    }
    return number
  }

  private static func devices(
    _ api: ov_api, _ core: Handle
  ) throws(RunnerError) -> [(device: EngineDevice, title: String)] {
    var found = ov_devices()
    try api.check(api.core_get_available_devices(core, &found))
    defer { api.available_devices_free(&found) }
    let names = (0..<found.count).compactMap { index in found.names?[index].map { String(cString: $0) } }
    return EngineDevice.list(names).map { device in
      var title: UnsafeMutablePointer<CChar>?
      guard api.core_get_property(core, device.name, "FULL_DEVICE_NAME", &title) == OV_OK else { return (device, "") }
      return (device, api.taken(title) ?? "")
    }
  }

  // MARK: Memory

  func modelCame() { modelCount.add(1, ordering: .relaxed) }

  /// Returns what a model leaves behind: free memory to the system and, after the last, the engine's code to its files.
  func modelWent() {
    ov_give_back_memory()
    guard modelCount.subtract(1, ordering: .relaxed).newValue == 0 else { return }
    ov_give_back_code(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
  }
}

extension ov_api {
  /// Throws what the engine says of a failed call. Two calls that fail at once may get each other's words: it keeps
  /// one text for the whole process.
  @inline(__always)
  func check(_ code: Int32) throws(RunnerError) {
    if code != OV_OK { throw error(code) }
  }

  /// The object that `body` makes.
  func make(_ body: (UnsafeMutablePointer<OpaquePointer?>) -> Int32) throws(RunnerError) -> Handle {
    var object: OpaquePointer?
    try check(body(&object))
    guard let object else { throw RunnerError(.internal, "openvino made nothing", source: "openvino") }
    return object
  }

  /// - Parameters:
  ///   - kind: What a failure means here; the engine has one number for nearly everything.
  ///   - path: Of the model whose folder callers needn't know.
  func error(_ code: Int32, _ kind: RunnerError.Code = .internal, path: String? = nil) -> RunnerError {
    let text = get_last_err_msg()
    defer { free(text) }
    let raw = text.map { String(cString: $0) } ?? ""
    let words = raw.isEmpty ? "failed without a reason" : EngineText.cleaned(raw, path: path)
    let isUnsupported = kind == .invalidArgument && EngineText.isUnsupported(raw)
    return RunnerError(isUnsupported ? .unsupported : kind, words, nativeCode: code, source: "openvino")
  }

  /// Copies a text of the engine's and gives it back.
  func taken(_ text: UnsafeMutablePointer<CChar>?) -> String? {
    guard let text else { return nil }
    defer { free(text) }
    return String(cString: text)
  }
}
