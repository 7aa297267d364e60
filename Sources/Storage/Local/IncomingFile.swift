import CLinux
import Glibc
import Inference

/// A file that is being written and has no lasting name yet. Gone with this object unless it was published.
///
/// Its writer holds a lock on it, which the system gives back when the writer dies: what can be locked is abandoned.
final class IncomingFile {
  let path: String
  let descriptor: Int32
  private(set) var byteCount = 0
  private var isPublished = false

  init(in folder: String) throws(HostError) {
    while true {
      let path = "\(folder)/\(getpid())-\(String(UInt64.random(in: .min ... .max), radix: 16))"
      let descriptor = linux_open(path, O_RDWR | O_CREAT | O_EXCL, 0o644)
      guard descriptor >= 0 else {
        throw HostError(
          errno == ENOSPC ? .overloaded : .internalError, "no file can be made in \(folder): \(systemErrorText)")
      }
      var status = stat()
      // Somebody may have taken it for abandoned before it was locked.
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &status) == 0, status.st_nlink > 0 {
        self.path = path
        self.descriptor = descriptor
        return
      }
      close(descriptor)
    }
  }

  deinit {
    if !isPublished { unlink(path) }
    close(descriptor)
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(HostError) {
    var rest = bytes
    while rest.count > 0 {
      let count = pwrite(descriptor, rest.baseAddress, rest.count, byteCount)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        let isFull = errno == ENOSPC || errno == EDQUOT
        throw HostError(isFull ? .overloaded : .internalError, "\(path) can't be written: \(systemErrorText)")
      }
      byteCount += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Forgets what was written.
  func restart() throws(HostError) {
    guard ftruncate(descriptor, 0) == 0 else {
      throw HostError(.internalError, "\(path) can't be emptied: \(systemErrorText)")
    }
    byteCount = 0
  }

  /// Gives the content its name, in place of what has it, once all of it is on the disk.
  func publish(as target: String) throws(HostError) {
    guard fsync(descriptor) == 0 else {
      throw HostError(.overloaded, "\(path) can't be written to the disk: \(systemErrorText)")
    }
    try Folders.make(Folders.parent(of: target))
    guard rename(path, target) == 0 else {
      let isTaken = errno == EISDIR || errno == ENOTDIR
      throw HostError(
        isTaken ? .conflict : .internalError,
        "\(target) can't be made: \(isTaken ? "a folder has its name" : systemErrorText)")
    }
    isPublished = true
    try Folders.sync(above: target)
  }

  /// Removes files of writers that have died.
  static func removeAbandoned(in folder: String) {
    for name in (try? Folders.entries(of: folder)) ?? [] {
      let descriptor = linux_open("\(folder)/\(name)", O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0)
      guard descriptor >= 0 else { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink("\(folder)/\(name)") }
      close(descriptor)
    }
  }
}
