import CLinux
import Glibc
import RunnerKit
import Synchronization

/// A file that LiteRT has taken over; destroyed after all that was compiled from it.
final class ModelFile: @unchecked Sendable {  // constant after init
  let environment: Environment
  let handle: LiteRTObject
  /// LiteRT reads weights from here as long as the model lives. A copy: a file that changes would change them.
  private let bytes: UnsafeMutableRawBufferPointer

  /// - Throws: `.notFound`, or what LiteRT says of the file.
  init(_ environment: Environment, path: String) throws(RunnerError) {
    let bytes = try Self.read(path)
    let api = environment.api
    do throws(RunnerError) {
      // Given a file's name LiteRT wouldn't verify its structure first, and crash where that is broken.
      handle = try api.make("the model's file") { out in
        environment.making.withLock { _ in api.createModel(environment.handle, bytes.baseAddress!, bytes.count, out) }
      }
    } catch {
      bytes.deallocate()
      throw error
    }
    self.bytes = bytes
    self.environment = environment
    try check()
  }

  deinit {
    environment.making.withLock { _ in environment.api.destroyModel(handle) }
    bytes.deallocate()
    linux_trim_memory()  // a model's memory is many small blocks: without this a hundred megabytes may stay
  }

  private static func read(_ path: String) throws(RunnerError) -> UnsafeMutableRawBufferPointer {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw RunnerError(.notFound, "\(path): \(String(cString: strerror(errno)))") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else {
      throw RunnerError(.invalidArgument, "\(path) is no file, or empty")
    }
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(status.st_size), alignment: 64)
    var got = 0
    while got < bytes.count {
      let count = Glibc.read(file, bytes.baseAddress! + got, bytes.count - got)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      got += count
    }
    guard got == bytes.count else {
      bytes.deallocate()
      throw RunnerError(.invalidArgument, "\(path) ends after \(got) of \(status.st_size) bytes")
    }
    return bytes
  }

  // Fields of the tables of a TFLite file, by their numbers in its schema.
  private enum Field {
    static let graphs = 2
    static let signatures = 7
    static let inputs = 0
    static let outputs = 1
    static let key = 2
    static let name = 0
  }

  /// What makes LiteRT crash later.
  private func check() throws(RunnerError) {
    guard let model = FlatTable(UnsafeRawBufferPointer(bytes)), !model.tables(Field.graphs).isEmpty else {
      throw RunnerError(.invalidArgument, "the model has no graph")
    }
  }

  /// Names that a signature gives to its inputs or outputs; nil where the file has no such signature.
  func names(of key: String, outputs: Bool) -> [String]? {
    FlatTable(UnsafeRawBufferPointer(bytes))?.tables(Field.signatures)
      .first { $0.text(Field.key) == key }?
      .tables(outputs ? Field.outputs : Field.inputs).compactMap { $0.text(Field.name) }
  }
}
