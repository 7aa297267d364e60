import Glibc
import RunnerKit
import Synchronization

/// libLiteRt, which never unloads: one per process.
final class Library: @unchecked Sendable {  // constant after init
  let path: String
  private let handle: UnsafeMutableRawPointer

  private static let opened = Mutex<(library: Library, api: LiteRTAPI)?>(nil)
  /// Set between `open` and `close` of the plugin.
  static let host = Mutex<Host?>(nil)

  static var isOpen: Bool { opened.withLock { $0 != nil } }

  /// The functions of the library at `path`, which is opened by the first call. [control]
  ///
  /// - Throws: `.failedPrecondition` when another path was opened before; `.notFound`, `.unavailable` or
  ///   `.incompatibleABI` otherwise.
  static func open(_ path: String) throws(RunnerError) -> LiteRTAPI {
    try opened.withLock { (opened) throws(RunnerError) -> LiteRTAPI in
      if let (library, api) = opened {
        guard library.path == path else {
          throw RunnerError(
            .failedPrecondition,
            "this process already uses \(library.path) and can't change to \(path); start a new one")
        }
        return api
      }
      let library = try Library(path)
      let api = try LiteRTAPI(library)
      opened = (library, api)
      host.withLock { $0 }?.log(.info, "litert from \(path)")
      return api
    }
  }

  private init(_ path: String) throws(RunnerError) {
    guard path.hasPrefix("/"), access(path, R_OK) == 0 else {
      throw RunnerError(
        .notFound,
        "option library: \(path) \(path.hasPrefix("/") ? "isn't there" : "isn't an absolute path"); "
          + "get it with `make engines/litert`")
    }
    guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      throw RunnerError(.unavailable, "dlopen: \(dlerror().map { String(cString: $0) } ?? path)")
    }
    self.path = path
    self.handle = handle
  }

  func symbol<Function>(_ name: String, as type: Function.Type = Function.self) throws(RunnerError) -> Function {
    guard let symbol = dlsym(handle, name) else {
      throw RunnerError(.incompatibleABI, "\(path) has no \(name); want libLiteRt.so of LiteRT 2.3")
    }
    return unsafeBitCast(symbol, to: type)
  }
}
