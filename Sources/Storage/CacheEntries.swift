import Glibc
import Inference

/// What a cache holds: who uses what, and what may go. Files are its owner's business.
struct CacheEntries {
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

  enum Claim {
    case isHere, isBusy, hasNoRoom
    /// Not here, and it isn't said how large it is.
    case isUnknown
    /// To fetch, or to look at where it is there; the files of `evicted` are to be removed.
    case isOurs(isThere: Bool, evicted: [SHA256Digest])
  }

  private var entries: [SHA256Digest: Entry] = [:]
  private var useCount: UInt64 = 0

  /// What an earlier process has left in `folder`, in the order of its last uses.
  init(in folder: String) throws(HostError) {
    var found: [(digest: SHA256Digest, byteCount: Int, used: timespec)] = []
    for name in try Folders.entries(of: folder) {
      var status = stat()
      guard let digest = SHA256Digest(name), lstat("\(folder)/\(name)", &status) == 0,
        status.st_mode & S_IFMT == S_IFREG
      else { continue }
      found.append((digest, Int(status.st_size), status.st_mtim))
    }
    found.sort { ($0.used.tv_sec, $0.used.tv_nsec) < ($1.used.tv_sec, $1.used.tv_nsec) }
    for file in found {
      useCount += 1
      entries[file.digest] = Entry(byteCount: file.byteCount, lastUse: useCount, condition: .isFound)
    }
  }

  /// Of all content, with what is being fetched.
  var byteCount: Int { entries.values.reduce(0) { $0 + $1.byteCount } }

  /// - Parameter byteCount: Of the content, where it is known.
  mutating func claim(_ digest: SHA256Digest, _ byteCount: Int?, limit byteLimit: Int) -> Claim {
    if let entry = entries[digest] {
      guard entry.condition != .isBusy else { return .isBusy }
      use(digest)
      guard entry.condition == .isFound else { return .isHere }
      entries[digest]?.condition = .isBusy
      return .isOurs(isThere: true, evicted: [])
    }
    guard let byteCount else { return .isUnknown }
    let evicted = evict(for: byteCount, limit: byteLimit)
    guard self.byteCount <= byteLimit - byteCount else { return .hasNoRoom }
    entries[digest] = Entry(byteCount: byteCount, lastUse: 0, condition: .isBusy)
    use(digest)
    return .isOurs(isThere: false, evicted: evicted)
  }

  private mutating func use(_ digest: SHA256Digest) {
    useCount += 1
    entries[digest]?.lastUse = useCount
    entries[digest]?.openCount += 1
  }

  /// What was claimed is there and right.
  mutating func settle(_ digest: SHA256Digest) { entries[digest]?.condition = .isGood }

  /// What was claimed can't be had.
  mutating func forget(_ digest: SHA256Digest) { entries[digest] = nil }

  /// Ends a use.
  mutating func release(_ digest: SHA256Digest) { entries[digest]?.openCount -= 1 }

  /// Takes out what isn't open, longest unused first, until there is room; nothing if that would not do.
  mutating func evict(for byteCount: Int, limit byteLimit: Int) -> [SHA256Digest] {
    let idle = entries.filter { $0.value.openCount == 0 }.sorted { $0.value.lastUse < $1.value.lastUse }
    var excess = self.byteCount - (byteLimit - byteCount)
    guard excess > 0, byteCount == 0 || idle.reduce(0, { $0 + $1.value.byteCount }) >= excess else { return [] }
    var evicted: [SHA256Digest] = []
    for (digest, entry) in idle where excess > 0 {
      excess -= entry.byteCount
      entries[digest] = nil
      evicted.append(digest)
    }
    return evicted
  }
}
