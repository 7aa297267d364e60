import Glibc
package import Inference

/// Content under the name of its own digest in any store: what is there already is not stored again, and nothing is read
/// that isn't what its name says.
package struct ContentStore: Sendable {
  package let store: any ObjectStore
  /// How often content is fetched that arrives damaged.
  private static let maxReads = 3

  package init(_ store: any ObjectStore) { self.store = store }

  package struct Stored: Sendable, Equatable {
    package let digest: SHA256Digest
    package let byteCount: Int
    /// False where the same content was there before.
    package let isNew: Bool
  }

  /// Stores a file's content. Reads it once to know its name, and again only if it is new here.
  package func put(_ source: FileSlice, _ call: StorageCall) throws(HostError) -> Stored {
    try put(source, digest: source.sha256(call), call)
  }

  /// Stores a file's content, which has been read for its digest already.
  package func put(_ source: FileSlice, digest: SHA256Digest, _ call: StorageCall) throws(HostError) -> Stored {
    let key = ObjectKey(content: digest)
    let isThere = try store.facts(of: key, call)?.byteCount == source.byteCount
    if !isThere { try store.put(source, at: key, digest: digest, call) }
    return Stored(digest: digest, byteCount: source.byteCount, isNew: !isThere)
  }

  /// Stores what a pipe or a socket yields until its end, by way of a file in `folder`.
  package func put(
    stream descriptor: Int32, folder: String, limit byteLimit: Int, _ call: StorageCall
  ) throws(HostError) -> Stored {
    let file = try IncomingFile(in: folder)
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: FileSlice.pieceByteCount, alignment: 64)
    defer { piece.deallocate() }
    while true {
      try call.check("reading a stream to store")
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      // Short, so that a cancelled caller doesn't wait for its sender.
      guard poll(&entry, 1, 100) != 0 else { continue }
      let count = read(descriptor, piece.baseAddress, piece.count)
      if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
      guard count >= 0 else { throw HostError(.overloaded, "the stream to store broke: \(systemErrorText)") }
      if count == 0 { break }
      guard file.byteCount + count <= byteLimit else {
        throw HostError(.quotaExceeded, "the stream to store has more than the \(byteLimit) bytes allowed")
      }
      try file.append(UnsafeRawBufferPointer(rebasing: piece[..<count]))
    }
    return try put(FileSlice(descriptor: file.descriptor), call)
  }

  package func facts(of digest: SHA256Digest, _ call: StorageCall) throws(HostError) -> ObjectFacts? {
    try store.facts(of: ObjectKey(content: digest), call)
  }

  package func delete(_ digest: SHA256Digest, _ call: StorageCall) throws(HostError) {
    try store.delete(ObjectKey(content: digest), call)
  }

  package func list(_ call: StorageCall, _ visit: (SHA256Digest, Int) throws(HostError) -> Void) throws(HostError) {
    try store.list(prefix: "sha256/", call) { (facts) throws(HostError) in
      if let digest = facts.key.contentDigest { try visit(digest, facts.byteCount) }
    }
  }

  /// Fetches content into a file that has no name yet. Content that isn't what its name says is fetched anew, as it may
  /// have been damaged on its way.
  func fetch(_ digest: SHA256Digest, into file: IncomingFile, _ call: StorageCall) throws(HostError) {
    let key = ObjectKey(content: digest)
    var found = digest
    for _ in 1...Self.maxReads {
      try file.restart()
      let hash = try Hash(.sha256)
      try store.get(key, range: nil, call) { (bytes) throws(HostError) in
        hash.update(bytes)
        try file.append(bytes)
      }
      found = SHA256Digest(bytes: hash.finish())
      if found == digest { return }
    }
    throw HostError(
      .internalError,
      "\(store.description): \(key) is damaged: its content is \(found), read \(Self.maxReads) times; "
        + "delete it and store it again")
  }
}
