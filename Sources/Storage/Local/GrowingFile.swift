import CLinux
import Glibc
package import Inference

/// A file that grows piece by piece, over several connections and restarts of the host, and its digest with it.
///
/// It needs no descriptor between pieces: `rest` gives it back. Owned by one thread at a time; every call may block.
package final class GrowingFile {
  package let path: String
  package private(set) var byteCount = 0
  /// -1 while it rests.
  private var descriptor: Int32
  private let hash: Hash
  private var digest: SHA256Digest?
  /// It has another name, as content: not to be changed any more.
  private func isContent() throws(HostError) -> Bool {
    var status = stat()
    return fstat(try opened(), &status) != 0 || status.st_nlink != 1
  }

  /// Opens or makes the file; what is in it already is read for its digest.
  package init(_ path: String, _ call: StorageCall) throws(HostError) {
    self.path = path
    let hash = try Hash(.sha256)
    descriptor = linux_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o644)
    self.hash = hash
    guard descriptor >= 0 else { throw Self.failure("the file of an upload can't be opened") }
    let there = try FileSlice(descriptor: descriptor)
    try there.forEachPiece(call, "reading an upload") { (bytes) throws(HostError) in hash.update(bytes) }
    byteCount = there.byteCount
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  package func append(_ bytes: UnsafeRawBufferPointer) throws(HostError) {
    let isContent = try isContent()
    guard digest == nil, !isContent else {
      throw HostError(.conflict, "the upload is complete; make a new one for other bytes")
    }
    var rest = bytes
    while rest.count > 0 {
      let count = pwrite(try opened(), rest.baseAddress, rest.count, byteCount)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw Self.failure("an upload can't be written") }
      hash.update(UnsafeRawBufferPointer(rebasing: rest[..<count]))
      byteCount += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Ends it: nothing can be added any more.
  package func finish() -> SHA256Digest {
    if let digest { return digest }
    let digest = SHA256Digest(bytes: hash.finish())
    self.digest = digest
    return digest
  }

  /// Has all of it on the disk, and gives the descriptor back: a write that fails later is told to nobody.
  package func rest() throws(HostError) {
    guard descriptor >= 0 else { return }
    try sync()
    close(descriptor)
    descriptor = -1
  }

  fileprivate func sync() throws(HostError) {
    guard fsync(try opened()) == 0 else { throw Self.failure("an upload can't be written to the disk") }
  }

  private func opened() throws(HostError) -> Int32 {
    if descriptor >= 0 { return descriptor }
    let opened = linux_open(path, O_RDWR | O_NOFOLLOW, 0)
    guard opened >= 0 else { throw Self.failure("the file of an upload can't be opened") }
    descriptor = opened
    return opened
  }

  private static func failure(_ what: String) -> HostError {
    HostError(errno == ENOSPC || errno == EDQUOT ? .storageUnavailable : .internalError, "\(what): \(systemErrorText)")
  }
}

extension LocalFolder {
  /// Gives a file the name of its content, beside the one it has: nothing is copied. Bytes and name are on the disk when
  /// this returns.
  ///
  /// - Throws: `.conflict` unless it lies on the same file system.
  package func adopt(_ file: GrowingFile) throws(HostError) -> SHA256Digest {
    let digest = file.finish()
    try file.sync()
    let target = "\(root)/\(ObjectKey(content: digest).text)"
    try Folders.make(Folders.parent(of: target))
    guard link(file.path, target) == 0 || errno == EEXIST else {
      throw HostError(.internalError, "content \(digest) can't be named: \(systemErrorText)")
    }
    try Folders.sync(above: target)
    return digest
  }
}
