import Glibc
package import Inference

/// Bytes of an open file that are read where they lie, as often as needed; the file's own position stays as it is.
///
/// It has a descriptor of its own, so the one it is made of may be closed.
package struct FileSlice: Sendable {
  private let file: Descriptor
  let offset: Int
  package let byteCount: Int

  /// The whole of a regular file.
  package init(descriptor: Int32) throws(HostError) {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    var status = stat()
    guard copy >= 0 else { throw HostError(.invalidRequest, "the file to store can't be read: \(systemErrorText)") }
    let file = Descriptor(copy)
    guard fstat(copy, &status) == 0 else {
      throw HostError(.invalidRequest, "the file to store can't be read: \(systemErrorText)")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw HostError(.invalidRequest, "what is to be stored is not a regular file")
    }
    self.init(file, offset: 0, byteCount: Int(status.st_size))
  }

  private init(_ file: Descriptor, offset: Int, byteCount: Int) {
    self.file = file
    self.offset = offset
    self.byteCount = byteCount
  }

  /// `range` counts from the slice's start and lies within it.
  func part(_ range: Range<Int>) -> FileSlice {
    precondition(range.upperBound <= byteCount)
    return FileSlice(file, offset: offset + range.lowerBound, byteCount: range.count)
  }

  /// Bytes from `position` of the slice; fewer than `out` holds only at its end. 0 at the end.
  package func read(at position: Int, into out: UnsafeMutableRawBufferPointer) throws(HostError) -> Int {
    let wanted = min(out.count, byteCount - position)
    var count = 0
    while count < wanted {
      let got = pread(file.number, out.baseAddress! + count, wanted - count, offset + position + count)
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw HostError(.internalError, "the file to store can't be read: \(systemErrorText)") }
      guard got > 0 else { throw HostError(.conflict, "the file to store has become shorter while it was read") }
      count += got
    }
    return count
  }

  /// Hands over all bytes, in pieces.
  func forEachPiece(
    _ call: StorageCall, _ what: @autoclosure () -> String, _ body: (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) throws(HostError) {
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: FileSlice.pieceByteCount, alignment: 64)
    defer { piece.deallocate() }
    var position = 0
    while position < byteCount {
      try call.check(what())
      let count = try read(at: position, into: piece)
      try body(UnsafeRawBufferPointer(rebasing: piece[..<count]))
      position += count
    }
  }

  package func sha256(_ call: StorageCall) throws(HostError) -> SHA256Digest {
    let hash = try Hash(.sha256)
    try forEachPiece(call, "reading a file to store") { (bytes) throws(HostError) in hash.update(bytes) }
    return SHA256Digest(bytes: hash.finish())
  }

  static let pieceByteCount = 256 * 1024
}

private final class Descriptor: Sendable {
  let number: Int32
  init(_ number: Int32) { self.number = number }
  deinit { close(number) }
}

var systemErrorText: String { String(cString: strerror(errno)) }
