package import Glibc

/// Reads small files of unknown origin: never waits on a pipe, never takes more memory than allowed.
package enum SmallFile {
  package struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
  }

  /// The whole content of the regular file at `path`; links are followed.
  ///
  /// Blocks on the disk: call off the cooperative pool.
  package static func read(_ path: String, limit byteLimit: Int) throws(Failure) -> [UInt8] {
    try read(path, limit: byteLimit) { (_: stat) throws(Failure) in }
  }

  /// - Parameter inspect: Sees the status of the very file that is read, and may refuse it.
  package static func read(
    _ path: String, limit byteLimit: Int, inspect: (stat) throws(Failure) -> Void
  ) throws(Failure) -> [UInt8] {
    // Without O_NONBLOCK a FIFO would wait for a writer.
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
    guard file >= 0 else { throw Failure(description: "can't be opened: \(String(cString: strerror(errno)))") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw Failure(description: "can't be read: \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(description: "is not a regular file") }
    try inspect(status)
    guard status.st_size <= byteLimit else {
      throw Failure(description: "has \(status.st_size) bytes, more than the \(byteLimit) allowed")
    }
    return try content(of: file, limit: byteLimit, expected: Int(status.st_size))
  }

  private static func content(of file: Int32, limit byteLimit: Int, expected: Int) throws(Failure) -> [UInt8] {
    // One byte more than announced shows the end, and a file that grows meanwhile; files of /proc announce nothing.
    var bytes = [UInt8](repeating: 0, count: expected > 0 ? expected + 1 : 4096)
    var count = 0
    while true {
      let got = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + count, $0.count - count) }
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw Failure(description: "can't be read: \(String(cString: strerror(errno)))") }
      if got == 0 { break }
      count += got
      guard count <= byteLimit else {
        throw Failure(description: "has more than the \(byteLimit) bytes allowed")
      }
      if count == bytes.count { bytes.append(contentsOf: repeatElement(0, count: count)) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
