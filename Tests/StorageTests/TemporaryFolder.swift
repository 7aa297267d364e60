import Foundation
import Inference
import Storage

/// A folder of one test, gone with it.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/stadion-storage-XXXXXX".utf8CString)
    path = String(cString: mkdtemp(&template))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and opens it.
  func file(_ name: String, _ bytes: some Sequence<UInt8>) throws -> OpenFile {
    let file = "\(path)/\(name)"
    try Data(Array(bytes)).write(to: URL(fileURLWithPath: file))
    return try OpenFile(file)
  }

  /// All files below, with their sizes, by paths.
  var files: [String: Int] {
    var found: [String: Int] = [:]
    for case let name as String in FileManager.default.enumerator(atPath: path) ?? .init() {
      var status = stat()
      if lstat("\(path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG {
        found[name] = Int(status.st_size)
      }
    }
    return found
  }
}

/// A file open for reading until the last reference goes.
final class OpenFile {
  let path: String
  let descriptor: Int32

  init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno)!) }
  }

  deinit { close(descriptor) }

  var slice: FileSlice { get throws { try FileSlice(descriptor: descriptor) } }
}

/// Bytes that look random and are the same each time.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 8)
  while bytes.count < count {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    withUnsafeBytes(of: state ^ state >> 29) { bytes.append(contentsOf: $0) }
  }
  bytes.removeLast(bytes.count - count)
  return bytes
}

/// The code of the error that `body` throws; nil if it throws none.
func code(_ body: () throws -> Void) -> HostError.Code? {
  do { try body() } catch { return (error as? HostError)?.code }
  return nil
}
