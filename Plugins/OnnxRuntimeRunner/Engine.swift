import Glibc
import RunnerKit
import Synchronization

/// libonnxruntime, which never unloads, and the one environment that serves every session until the plugin closes.
final class Engine: @unchecked Sendable {  // constant after init; ONNX Runtime's objects here may be used by any thread
  let api: OrtAPI
  let path: String
  let version: String
  let env: OrtObject
  /// Describes plain memory of the CPU.
  let memory: OrtObject
  let allocator: OrtObject

  /// Our slots exist since 1.17; asking for an old table is fine, as tables only grow.
  private static let tableVersion: UInt32 = 17
  private static let opened = Mutex<Engine?>(nil)
  /// Of the library that this process has mapped, for ever.
  private static let mapped = Mutex<String?>(nil)
  /// Set between `open` and `close` of the plugin; the engine's log goes there.
  static let host = Mutex<Host?>(nil)

  static var version: String? { opened.withLock { $0?.version } }

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
      host.withLock { $0 }?.log(.info, "onnxruntime \(engine.version) from \(path)")
      return engine
    }
  }

  /// Lets go of the environment: its thread ends with the last runner that holds the engine, none by contract. [control]
  static func close() { opened.withLock { $0 = nil } }

  deinit {
    api.releaseMemoryInfo(memory)
    api.releaseEnv(env)
  }

  private init(_ path: String) throws(RunnerError) {
    guard path.hasPrefix("/"), access(path, R_OK) == 0 else {
      throw RunnerError(
        .notFound,
        "option library: \(path) \(path.hasPrefix("/") ? "isn't there" : "isn't an absolute path"); "
          + "get it with `make engines/onnxruntime`")
    }
    // Official builds send events to their maker from a thread of their own and keep an identifier in the user's cache
    // folder. Only this variable stops it, and only before the library is opened; what the operator has set stays.
    setenv("ORT_DISABLE_TELEMETRY", "1", 0)
    guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      throw RunnerError(.unavailable, "dlopen: \(dlerror().map { String(cString: $0) } ?? path)")
    }
    guard let base = dlsym(library, "OrtGetApiBase") else {
      throw RunnerError(.unavailable, "\(path) isn't ONNX Runtime: it has no OrtGetApiBase")
    }
    typealias Base = (
      table: @convention(c) (UInt32) -> UnsafePointer<UnsafeRawPointer?>?, version: @convention(c) () -> Text
    )
    let functions = unsafeBitCast(base, to: (@convention(c) () -> UnsafeRawPointer).self)()
      .assumingMemoryBound(to: Base.self).pointee
    version = String(cString: functions.version())
    guard let table = functions.table(Self.tableVersion) else {
      throw RunnerError(.incompatibleABI, "onnxruntime \(version) is too old; need 1.\(Self.tableVersion) or newer")
    }
    Self.mapped.withLock { $0 = path }
    let api = OrtAPI(table)
    self.api = api
    self.path = path
    let warning: Int32 = 2
    env = try api.make { api.createEnv(forwardLog, nil, warning, "stadion", $0) }
    memory = try api.make { api.cpuMemoryInfo(1, 0, $0) }  // OrtArenaAllocator, OrtMemTypeDefault
    allocator = try api.make { api.defaultAllocator($0) }
  }
}

/// What the engine logs about a failing call it also returns as a status, so all but the worst is for debugging.
private let forwardLog: OrtAPI.Logger = { _, severity, _, _, _, message in
  guard let message, let host = Engine.host.withLock({ $0 }) else { return }
  let fatal: Int32 = 4
  host.log(severity >= fatal ? .error : .debug, "onnxruntime: \(String(cString: message))")
}

extension OrtAPI {
  /// Throws what a status says, and releases it.
  @inline(__always)
  func check(_ status: OrtStatus?) throws(RunnerError) {
    if let status { throw error(status) }
  }

  /// The object that `body` makes.
  func make(_ body: (Out) -> OrtStatus?) throws(RunnerError) -> OrtObject {
    var object: OrtObject?
    try check(body(&object))
    guard let object else { throw RunnerError(.internal, "onnxruntime made nothing", source: "onnxruntime") }
    return object
  }

  /// Reads a status and releases it.
  func error(_ status: OrtStatus) -> RunnerError {
    defer { releaseStatus(status) }
    let number = errorCode(status)
    let code: RunnerError.Code =
      switch number {
      case 2: .invalidArgument
      case 3: .notFound
      case 7, 10: .invalidArgument  // not protobuf, not a valid graph: the file is at fault
      case 9: .unsupported
      default: .internal
      }
    return RunnerError(code, String(cString: errorMessage(status)), nativeCode: number, source: "onnxruntime")
  }
}
