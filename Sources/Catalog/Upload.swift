import Glibc
package import Inference
package import Storage
import Threads
package import Wire

/// A file that is being uploaded, in as many requests as its sender likes. Outlives the host.
///
/// Digests and writes have a thread that only uploads share, and it can do without a descriptor: there may be as many
/// uploads as their senders like.
package actor Upload {
  package nonisolated let id: String
  package nonisolated let tenant: TenantID
  /// What the sender has announced; nil where it didn't.
  package nonisolated let byteCount: Int?
  package nonisolated let sha256: SHA256Digest?
  nonisolated let path: String
  private nonisolated let thread: RunThreads
  private var file: GrowingFile?
  /// A request is sending to it.
  private var isBusy = false

  package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  /// - Parameter thread: One, not several.
  init(
    id: String, tenant: TenantID, byteCount: Int?, sha256: SHA256Digest?, path: String, on thread: RunThreads
  ) {
    self.thread = thread
    self.id = id
    self.tenant = tenant
    self.byteCount = byteCount
    self.sha256 = sha256
    self.path = path
  }

  /// Bytes that are there: where the sender goes on.
  package func offset() throws(HostError) -> Int {
    if let file { return file.byteCount }
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
  }

  /// Begins to take bytes, from one request at a time.
  ///
  /// - Parameters:
  ///   - offset: Where the sender thinks that the first goes.
  ///   - count: Of the bytes to come.
  ///   - limit: Bytes of an upload at most.
  package func begin(at offset: Int, count: Int, limit: Int) throws(HostError) {
    guard !isBusy else { throw HostError(.conflict, "another request is sending to upload \(id); ask for its offset") }
    let file = try opened()
    guard offset == file.byteCount else {
      throw HostError(
        .conflict, "upload \(id) has \(file.byteCount) bytes, not \(offset); go on from there",
        details: ["offset": .integer(file.byteCount)])
    }
    let limit = min(limit, byteCount ?? limit)
    guard count <= limit - file.byteCount else {
      throw HostError(
        .payloadTooLarge, "upload \(id) would have \(file.byteCount) + \(count) bytes, more than its limit of \(limit)",
        details: ["limitBytes": .integer(limit)])
    }
    isBusy = true
  }

  package func append(_ piece: LentBytes) throws(HostError) { try opened().append(piece.bytes) }

  func end() { isBusy = false }

  /// Gives its descriptor back, unless a request is sending.
  func rest() {
    guard !isBusy else { return }
    // Where that fails, what is there is read anew.
    do throws(HostError) { try file?.rest() } catch { file = nil }
  }

  /// Takes no bytes any more; false while a request is sending.
  func close() -> Bool {
    if isBusy { return false }
    isBusy = true
    return true
  }

  /// Its content, in `folder` under the name of its digest; on the disk when this returns.
  ///
  /// - Throws: `.conflict` where bytes are missing; `.invalidRequest` where they aren't those that were announced.
  /// - Parameter hold: Called with the digest before the content has its name: nobody may delete it from there on.
  func adopt(
    into folder: LocalFolder, holding hold: @Sendable (SHA256Digest) -> Void
  ) throws(HostError) -> (digest: SHA256Digest, byteCount: Int) {
    guard !isBusy else { throw HostError(.conflict, "a request is still sending to upload \(id)") }
    let file = try opened()
    if let byteCount, file.byteCount != byteCount {
      throw HostError(
        .conflict, "upload \(id) has \(file.byteCount) of \(byteCount) bytes; send the rest",
        details: ["offset": .integer(file.byteCount)])
    }
    let digest = file.finish()
    try check(digest)
    hold(digest)
    return (try folder.adopt(file), file.byteCount)
  }

  /// Compares what has come with what was announced, once all of it is there.
  ///
  /// - Throws: `.invalidRequest`: the bytes are worth nothing then.
  package func check() throws(HostError) {
    guard sha256 != nil, let byteCount, let file, file.byteCount == byteCount else { return }
    try check(file.finish())
  }

  private func check(_ digest: SHA256Digest) throws(HostError) {
    guard let sha256, digest != sha256 else { return }
    throw HostError(
      .invalidRequest, "the bytes of upload \(id) have SHA-256 \(digest), announced was \(sha256); send them anew")
  }

  private func opened() throws(HostError) -> GrowingFile {
    if let file { return file }
    let opened = try GrowingFile(path, StorageCall())
    file = opened
    return opened
  }
}
