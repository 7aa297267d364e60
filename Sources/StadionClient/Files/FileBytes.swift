import CLinux
import Glibc
package import Inference

/// Whole files, for command lines.
package enum FileBytes {
  private static let maxBytes = 1 << 30  // as much as one request may carry

  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// - Parameter path: `-` is standard input.
  /// - Throws: `HostError` `.notFound` when it can't be opened, `.invalidRequest` beyond 1 GiB.
  package static func read(_ path: String) throws(HostError) -> [UInt8] {
    let file = path == "-" ? STDIN_FILENO : linux_open(path, O_RDONLY, 0)
    guard file >= 0 else { throw HostError(.notFound, "can't read \(path): \(String(cString: strerror(errno)))") }
    defer { if file != STDIN_FILENO { close(file) } }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(file, &block, block.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw HostError(.notFound, "can't read \(path): \(String(cString: strerror(errno)))") }
      if count == 0 { return bytes }
      bytes += block[..<count]
      guard bytes.count <= maxBytes else { throw HostError(.invalidRequest, "\(path) exceeds \(maxBytes) bytes") }
    }
  }

  /// Replaces the file.
  package static func write(_ bytes: [UInt8], to path: String) throws(HostError) {
    let file = linux_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { throw HostError(.notFound, "can't write \(path): \(String(cString: strerror(errno)))") }
    defer { close(file) }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + done, bytes.count - done) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw HostError(.internalError, "can't write \(path): \(String(cString: strerror(errno)))")
      }
      done += count
    }
  }

  /// Makes the folder unless it is there; its parent must be.
  package static func makeFolder(_ path: String) throws(HostError) {
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw HostError(.notFound, "can't make folder \(path): \(String(cString: strerror(errno)))")
    }
  }
}
