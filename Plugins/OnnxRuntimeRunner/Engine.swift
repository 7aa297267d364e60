import Glibc
import RunnerKit
import Synchronization

/// libonnxruntime, opened once per process: it never unloads, and one environment serves every session.
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
  /// Set between `open` and `close` of the plugin; the engine's log goes there.
  static let host = Mutex<Host?>(nil)

  static var version: String? { opened.withLock { $0?.version } }

  /// The engine at `path`, which is opened by the first call. [control]
  ///
  /// - Throws: `.failedPrecondition` when another path was opened before; `.notFound`, `.unavailable` otherwise.
  static func open(_ path: String) throws(RunnerError) -> Engine {
    try opened.withLock { (opened) throws(RunnerError) -> Engine in
      if let engine = opened {
        guard engine.path == path else {
          throw RunnerError(
            .failedPrecondition,
            "this process already uses \(engine.path) and can't change to \(path); start a new one")
        }
        return engine
      }
      let engine = try Engine(path)
      opened = engine
      host.withLock { $0 }?.log(.info, "onnxruntime \(engine.version) from \(path)")
      return engine
    }
  }

  private init(_ path: String) throws(RunnerError) {
    guard path.hasPrefix("/"), access(path, R_OK) == 0 else {
      throw RunnerError(
        .notFound,
        "option library: \(path) \(path.hasPrefix("/") ? "isn't there" : "isn't an absolute path"); "
          + "get it with `make engines/onnxruntime`")
    }
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
