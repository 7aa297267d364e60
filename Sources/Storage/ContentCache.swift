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
  private let state: Mutex<State>
  /// Held for as long as this process uses the folder.
  private let lock: Int32

  private struct Entry {
    var byteCount: Int
    var lastUse: UInt64
    var openCount = 0
    var condition: Condition
  }

  private enum Condition {
    /// Left by an earlier process; nobody has looked at it yet.
    case isFound
    /// Somebody fetches it, or reads it to see that it is what it should be.
    case isBusy
    case isGood
  }

  private struct State {
    var entries: [SHA256Digest: Entry] = [:]
    var useCount: UInt64 = 0
    /// Content of a local folder that has been read and was right.
    var checked: [SHA256Digest: FileMark] = [:]

    var byteCount: Int { entries.values.reduce(0) { $0 + $1.byteCount } }

    mutating func use(_ digest: SHA256Digest) {
      useCount += 1
      entries[digest]?.lastUse = useCount
      entries[digest]?.openCount += 1
    }
  }

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
    state = Mutex(try Self.found(in: folder))
    evict(for: 0)
  }

  deinit { Glibc.close(lock) }

  private static func found(in folder: String) throws(HostError) -> State {
    var found: [(digest: SHA256Digest, byteCount: Int, used: timespec)] = []
    for name in try Folders.entries(of: folder) {
      var status = stat()
      guard let digest = SHA256Digest(name), lstat("\(folder)/\(name)", &status) == 0,
        status.st_mode & S_IFMT == S_IFREG
      else { continue }
      found.append((digest, Int(status.st_size), status.st_mtim))
    }
    found.sort { ($0.used.tv_sec, $0.used.tv_nsec) < ($1.used.tv_sec, $1.used.tv_nsec) }
    var state = State()
    for file in found {
      state.useCount += 1
      state.entries[file.digest] = Entry(byteCount: file.byteCount, lastUse: state.useCount, condition: .isFound)
    }
    return state
  }

  /// Bytes of all files here, with those that are being fetched.
  package var byteCount: Int { state.withLock { $0.byteCount } }

  /// Content as a file, fetched if it isn't here. Of several who want the same, one fetches.
  ///
  /// - Throws: `.notFound`; `.overloaded` when what is open leaves no room for it.
  package func open(_ digest: SHA256Digest, _ call: StorageCall) throws(HostError) -> File {
    let key = ObjectKey(content: digest)
    if let path = content.store.localPath(of: key) {
      guard let mark = FileMark(path) else { throw content.store.noSuch(key) }
      if state.withLock({ $0.checked[digest] }) != mark {
        guard try sha256(of: path, call) == digest else {
          throw HostError(
            .internalError, "\(content.store.description): \(key) is damaged; delete it and store it again")
        }
        state.withLock { $0.checked[digest] = mark }
      }
      return File(path)
    }
    var byteCount: Int?
    while true {
      try call.check("waiting for \(digest)")
      switch try claim(digest, byteCount) {
      case .isHere: return file(digest)
      case .isBusy: try call.pause(for: .milliseconds(20), "waiting for \(digest)")
      case .isUnknown:
        guard let facts = try content.facts(of: digest, call) else { throw content.store.noSuch(key) }
        byteCount = facts.byteCount
      case .isOurs(let isThere):
        do throws(HostError) {
          let isGood = isThere ? try sha256(of: path(of: digest), call) == digest : false
          if !isGood { try fetch(digest, call) }
        } catch {
          state.withLock { $0.entries[digest] = nil }
          unlink(path(of: digest))
          throw error
        }
        state.withLock { $0.entries[digest]?.condition = .isGood }
        return file(digest)
      }
    }
  }

  private enum Claim {
    case isHere, isBusy, isUnknown
    /// To fetch, or to look at where it is there.
    case isOurs(isThere: Bool)
  }

  /// Takes a use of what is here, or the duty to fetch it or to look at it and the room for it, in one step.
  private func claim(_ digest: SHA256Digest, _ byteCount: Int?) throws(HostError) -> Claim {
    let result = state.withLock { state -> Result<Claim, HostError> in
      if let entry = state.entries[digest] {
        guard entry.condition != .isBusy else { return .success(.isBusy) }
        state.use(digest)
        guard entry.condition == .isFound else { return .success(.isHere) }
        state.entries[digest]?.condition = .isBusy
        return .success(.isOurs(isThere: true))
      }
      guard let byteCount else { return .success(.isUnknown) }
      let evicted = Self.evict(from: &state, for: byteCount, limit: byteLimit)
      guard state.byteCount + byteCount <= byteLimit else {
        return .failure(
          HostError(
            .overloaded,
            "cache \(folder) has no room for \(byteCount) bytes: \(state.byteCount) of \(byteLimit) are in use; "
              + "unload models or raise its limit"))
      }
      state.entries[digest] = Entry(byteCount: byteCount, lastUse: 0, condition: .isBusy)
      state.use(digest)
      // Under the lock, so that nobody fetches it anew before its old file is gone.
      for digest in evicted { unlink(path(of: digest)) }
      return .success(.isOurs(isThere: false))
    }
    return try result.get()
  }

  private func evict(for byteCount: Int) {
    state.withLock { state in
      for digest in Self.evict(from: &state, for: byteCount, limit: byteLimit) { unlink(path(of: digest)) }
    }
  }

  /// Takes out what isn't open, longest unused first, until there is room; nothing if that would not do.
  private static func evict(from state: inout State, for byteCount: Int, limit byteLimit: Int) -> [SHA256Digest] {
    let idle = state.entries.filter { $0.value.openCount == 0 }.sorted { $0.value.lastUse < $1.value.lastUse }
    var excess = state.byteCount - (byteLimit - byteCount)
    guard excess > 0, byteCount == 0 || idle.reduce(0, { $0 + $1.value.byteCount }) >= excess else { return [] }
    var evicted: [SHA256Digest] = []
    for (digest, entry) in idle where excess > 0 {
      excess -= entry.byteCount
      state.entries[digest] = nil
      evicted.append(digest)
    }
    return evicted
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
    return File(path) { [self] in state.withLock { $0.entries[digest]?.openCount -= 1 } }
  }
}

/// What changes when a file does.
private struct FileMark: Equatable {
  private let device: UInt, inode: UInt
  private let byteCount: Int, seconds: Int, nanoseconds: Int

  /// Nil if there is no such regular file.
  init?(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    device = status.st_dev
    inode = status.st_ino
    byteCount = Int(status.st_size)
    seconds = status.st_ctim.tv_sec
    nanoseconds = status.st_ctim.tv_nsec
  }
}
