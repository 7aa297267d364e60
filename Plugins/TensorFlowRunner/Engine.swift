import CTensorFlow
import Glibc
import RunnerKit
import Synchronization

/// libtensorflow_cc, which never unloads, and what is decided once for all sessions of the process.
final class Engine: Sendable {  // constant after init
  let api: TensorFlowAPI
  let version: String
  let threads: ThreadCounts
  /// Operations that may keep something from one run to the next, of all that this TensorFlow has.
  let statefulOperations: Set<String>
  private let path: String

  /// The engine of this process: its library is mapped for ever, and its threads are started for ever.
  private static let opened = Mutex<Engine?>(nil)
  /// Set between `open` and `close` of the plugin.
  static let host = Mutex<Host?>(nil)

  static var version: String? { opened.withLock { $0?.version } }

  /// The engine at `path`, which is opened by the first call. [control]
  ///
  /// - Throws: `.failedPrecondition` when the process has opened another path, or for another number of threads;
  ///   `.notFound`, `.unavailable`, `.incompatibleABI` otherwise.
  static func open(_ path: String, _ threads: ThreadCounts) throws(RunnerError) -> Engine {
    try opened.withLock { (opened) throws(RunnerError) -> Engine in
      guard let engine = opened else {
        let engine = try Engine(path, threads)
        opened = engine
        host.withLock { $0 }?.log(.info, "tensorflow \(engine.version) from \(path)")
        return engine
      }
      guard engine.path == path else {
        throw RunnerError(
          .failedPrecondition, "this process already uses \(engine.path) and can't change to \(path); start a new one")
      }
      guard engine.threads == threads else {
        throw RunnerError(
          .failedPrecondition,
          "this process already runs TensorFlow with \(engine.threads), not with \(threads); start a new one")
      }
      return engine
    }
  }

  private init(_ path: String, _ threads: ThreadCounts) throws(RunnerError) {
    guard path.hasPrefix("/"), access(path, R_OK) == 0 else {
      throw RunnerError(
        .notFound,
        "option library: \(path) \(path.hasPrefix("/") ? "isn't there" : "isn't an absolute path"); "
          + "get it with `make engines/tensorflow`")
    }
    // Read when the library is opened. What fails is told by a status too; what the operator has set stays.
    setenv("TF_CPP_MIN_LOG_LEVEL", "3", 0)
    guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      throw RunnerError(.unavailable, "dlopen: \(dlerror().map { String(cString: $0) } ?? path)")
    }
    let api = try TensorFlowAPI(library)
    self.api = api
    self.path = path
    self.threads = threads
    version = api.version().map { String(cString: $0) } ?? "unknown"
    guard let list = api.allOperations() else { throw Self.outOfMemory }
    defer { api.deleteBuffer(list) }
    do {
      statefulOperations = try GraphOperations.statefulOperations(list.pointee.bytes)
    } catch {
      throw RunnerError(.incompatibleABI, "tensorflow \(version): its list of operations can't be read")
    }
  }

  static let outOfMemory = RunnerError(.resourceExhausted, "no memory for an object", source: "tensorflow")
}

extension tf_buffer {
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: data, count: data == nil ? 0 : length) }
}

extension TensorFlowAPI {
  /// Calls `body` with a status and throws what that says afterwards.
  func check(_ body: (TFObject) -> Void) throws(RunnerError) {
    guard let status = newStatus() else { throw Engine.outOfMemory }
    defer { deleteStatus(status) }
    body(status)
    if code(status) != 0 { throw error(status) }
  }

  /// What a status says that isn't 0.
  func error(_ status: TFObject) -> RunnerError {
    let number = code(status)
    let code: RunnerError.Code =
      switch number {
      case 1: .cancelled
      case 3, 11, 15: .invalidArgument  // 11: out of range; 15: data loss, which is what a broken file is called
      case 4: .deadlineExceeded
      case 5: .notFound
      case 8: .resourceExhausted
      case 9: .failedPrecondition
      case 12: .unsupported
      case 14: .unavailable
      default: .internal
      }
    let text = message(status).map { String(cString: $0) } ?? ""
    // It puts lines below its message, each with the place in the graph.
    let line = text.split { $0.isNewline || $0 == "\t" }.joined(separator: " ")
    return RunnerError(code, line, nativeCode: number, source: "tensorflow")
  }
}
