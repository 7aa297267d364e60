import CLinux
import Glibc
package import Inference
import Synchronization

/// Content of a store as files on this machine, as many as fit a limit: what was used longest ago goes first, and what
/// somebody has open never does.
///
/// Content of a local folder is used where it lies. One process uses a cache's folder at a time.
package final class ContentCache: Sendable {
  private let content: ContentStore
  private let folder: String
  private let byteLimit: Int
  private let entries: Mutex<CacheEntries>
  /// Content of a local folder that has been read and was right.
  private let checked = Mutex<[SHA256Digest: FileMark]>([:])
  /// Held for as long as this process uses the folder.
  private let lock: Int32

  /// Content that stays where it is until the last reference goes.
  package final class File: Sendable {
    package let path: String
    private let close: @Sendable () -> Void

    fileprivate init(_ path: String, close: @escaping @Sendable () -> Void = {}) {
      self.path = path
      self.close = close
    }

    deinit { close() }
  }

  /// - Parameter folder: Made where it is missing. What an earlier process has left in it is used.
  package init(_ folder: String, byteLimit: Int, _ content: ContentStore) throws(HostError) {
    self.content = content
    self.folder = folder
    self.byteLimit = byteLimit
    try Folders.make("\(folder)/incoming")
    lock = linux_open("\(folder)/lock", O_RDWR | O_CREAT, 0o644)
    guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      if lock >= 0 { Glibc.close(lock) }
      throw HostError(.conflict, "cache \(folder) is used by another process; give each its own")
    }
    IncomingFile.removeAbandoned(in: "\(folder)/incoming")
    entries = Mutex(try CacheEntries(in: folder))
    entries.withLock { entries in
      for digest in entries.evict(for: 0, limit: byteLimit) { unlink(path(of: digest)) }
    }
  }

  deinit { Glibc.close(lock) }

  /// Bytes of all files here, with those that are being fetched.
  package var byteCount: Int { entries.withLock { $0.byteCount } }

  /// Content as a file, fetched if it isn't here. Of several who want the same, one fetches.
  ///
  /// - Throws: `.notFound`; `.overloaded` when what is open leaves no room for it.
  package func open(_ digest: SHA256Digest, _ call: StorageCall) throws(HostError) -> File {
    let key = ObjectKey(content: digest)
    if let path = content.store.localPath(of: key) { return try local(path, digest, call) }
    var byteCount: Int?
    while true {
      try call.check("waiting for \(digest)")
      switch try claim(digest, byteCount) {
      case .isHere: return file(digest)
      case .isBusy: try call.pause(for: .milliseconds(20), "waiting for \(digest)")
      case .isUnknown:
        guard let facts = try content.facts(of: digest, call) else { throw content.store.noSuch(key) }
        byteCount = facts.byteCount
      case .hasNoRoom: preconditionFailure("claim throws for want of room")
      case .isOurs(let isThere, _):
        do throws(HostError) {
          let isGood = isThere ? try sha256(of: path(of: digest), call) == digest : false
          if !isGood { try fetch(digest, call) }
        } catch {
          entries.withLock { entries in
            entries.forget(digest)
            unlink(path(of: digest))
          }
          throw error
        }
        entries.withLock { $0.settle(digest) }
        return file(digest)
      }
    }
  }

  /// Content of a local folder, read once before it is given out.
  private func local(_ path: String, _ digest: SHA256Digest, _ call: StorageCall) throws(HostError) -> File {
    let key = ObjectKey(content: digest)
    guard let mark = FileMark(path) else { throw content.store.noSuch(key) }
    if checked.withLock({ $0[digest] }) != mark {
      guard try sha256(of: path, call) == digest else {
        throw HostError(.internalError, "\(content.store.description): \(key) is damaged; delete it and store it again")
      }
      checked.withLock { $0[digest] = mark }
    }
    return File(path)
  }

  /// Takes a use of what is here, or the duty to fetch it or to look at it and the room for it, in one step.
  private func claim(_ digest: SHA256Digest, _ byteCount: Int?) throws(HostError) -> CacheEntries.Claim {
    let (claim, usedByteCount) = entries.withLock { entries in
      let claim = entries.claim(digest, byteCount, limit: byteLimit)
      // Under the lock, so that nobody fetches one anew before its old file is gone.
      if case .isOurs(_, let evicted) = claim { for digest in evicted { unlink(path(of: digest)) } }
      return (claim, entries.byteCount)
    }
    if case .hasNoRoom = claim {
      throw HostError(
        .overloaded,
        "cache \(folder) has no room for \(byteCount ?? 0) bytes: \(usedByteCount) of \(byteLimit) are in use; "
          + "unload models or raise its limit")
    }
    return claim
  }

  private func path(of digest: SHA256Digest) -> String { "\(folder)/\(digest)" }

  private func fetch(_ digest: SHA256Digest, _ call: StorageCall) throws(HostError) {
    let file = try IncomingFile(in: "\(folder)/incoming")
    try content.fetch(digest, into: file, call)
    try file.publish(as: path(of: digest))
  }

  private func sha256(of path: String, _ call: StorageCall) throws(HostError) -> SHA256Digest {
    let file = linux_open(path, O_RDONLY | O_NOFOLLOW, 0)
    guard file >= 0 else { throw HostError(.internalError, "\(path) can't be opened: \(systemErrorText)") }
    defer { Glibc.close(file) }
    return try FileSlice(descriptor: file).sha256(call)
  }

  /// The caller has claimed a use, which ends with the file.
  private func file(_ digest: SHA256Digest) -> File {
    let path = path(of: digest)
    // The order of use outlives this process.
    utimensat(AT_FDCWD, path, nil, 0)
    return File(path) { [self] in entries.withLock { $0.release(digest) } }
  }
}
