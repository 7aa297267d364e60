import Glibc
import Inference
import Routing
import Storage
import Store
import Synchronization
import Telemetry
import Wire

/// How the files of a version come from storage.
extension Catalog {
  /// A file that isn't what was announced is fetched again: it may have been damaged on its way.
  private static let maxReads = 2

  /// Does a job, or says why it can't be done. On a thread that may block.
  func run(_ job: RegistrationJob, _ fetch: Fetch) async {
    var held: [SHA256Digest] = []
    do throws(HostError) {
      guard try await begin(job) else { return jobCounts.move(job.id, to: .cancelled) }
      jobCounts.move(job.id, to: .running)
      let version = job.wanted.version
      guard await !router.hasOwnModel(ModelKey.text(version.tenant, version.model)) else {
        throw Self.nameIsTaken(version.model)
      }
      try await checkFree(version)
      var files: [Registration.File] = []
      let remote = try find(job.wanted.uri, tenant: version.tenant, fetch.call)
      let expected = try expectations(of: remote, job.wanted, fetch)
      for (file, expected) in zip(remote.files, expected) {
        let fetched = try self.fetch(file, from: remote.source, expected, fetch) { held.append($0) }
        files.append(Registration.File(path: file.path, fetched: fetched))
      }
      fetch.end()
      try fetch.call.check("registering \(version.model)")
      _ = try await register(job.registration(of: files))
      jobCounts.move(job.id, to: .done)
      await release(held)
      await trimCache()
    } catch {
      await release(held)
      await fail(job, fetch, error)
    }
  }

  /// - Returns: False where nobody wants it any more.
  private func begin(_ job: RegistrationJob) async throws(HostError) -> Bool {
    try await database.transaction { (db) throws(HostError) in
      try db.run(
        "UPDATE jobs SET state = 'running', startCount = startCount + 1 WHERE id = ? AND state IN ('queued', 'running')",
        job.id, doing: "beginning a job") == 1
    }
  }

  private func fail(_ job: RegistrationJob, _ fetch: Fetch, _ error: HostError) async {
    do throws(HostError) {
      let (isNew, state) = try await database.transaction { (db) throws(HostError) in
        (try db.end(job.id, as: .failed, error, byteCount: fetch.byteCount), try db.job(job.id)?.state ?? .failed)
      }
      jobCounts.move(job.id, to: state)
      guard error.code != .cancelled else { return }
      Log.warning(
        isNew ? "a model isn't registered" : "a registered model isn't served",
        ("model", job.wanted.version.model), ("uri", job.wanted.uri), ("job", job.id), ("code", error.code.rawValue),
        ("reason", error.description))
    } catch {
      Log.warning("a job's end isn't known; the next start begins it anew", ("job", job.id), ("reason", error.message))
    }
  }

  // MARK: Transfers, which block

  func find(_ uri: String, tenant: TenantID, _ call: StorageCall) throws(HostError) -> RemoteFiles {
    try Self.asStorage { () throws(HostError) in
      try RemoteFiles(uri, in: sources.find(uri, tenant: tenant), maxFiles: Self.maxFiles, call)
    }
  }

  struct Expectation {
    let byteCount: Int
    /// What the request or the storage says; nil where neither does.
    let digest: SHA256Digest?
  }

  /// What the files should be, before the first is fetched.
  private func expectations(
    of remote: RemoteFiles, _ wanted: RemoteRegistration, _ fetch: Fetch
  ) throws(HostError) -> [Expectation] {
    var digests = wanted.digests
    if let only = digests.removeValue(forKey: RemoteRegistration.anyPath) {
      guard remote.files.count == 1 else {
        throw HostError(
          .invalidRequest,
          "'sha256' is of one file, and there are \(remote.files.count); write {\"PATH\": \"SHA-256\"} for each")
      }
      digests[remote.files[0].path] = only
    }
    var expected: [Expectation] = []
    for file in remote.files {
      let found = try facts(of: file, remote.source, fetch.call)
      guard found.byteCount <= options.fileBytes else {
        throw HostError(
          .payloadTooLarge, "\(file.uri) has \(found.byteCount) bytes, a file at most \(options.fileBytes)",
          details: ["limitBytes": .integer(options.fileBytes)])
      }
      expected.append(
        Expectation(byteCount: found.byteCount, digest: digests.removeValue(forKey: file.path) ?? found.digest))
    }
    if let path = digests.keys.sorted().first {
      throw HostError(.invalidRequest, "'sha256' names '\(path.excerpt)', which isn't at \(wanted.uri)")
    }
    fetch.begin(totalBytes: expected.reduce(0) { $0 + $1.byteCount })
    return expected
  }

  func facts(
    of file: RemoteFiles.File, _ source: any ObjectSource, _ call: StorageCall
  ) throws(HostError) -> ObjectFacts {
    try Self.asStorage { () throws(HostError) in
      guard let facts = try source.facts(of: file.key, call) else {
        throw HostError(.notFound, "\(file.uri) has gone while the version was fetched")
      }
      return facts
    }
  }

  /// Brings a file into the store of content.
  ///
  /// - Parameter note: Called once the content is held, which its caller ends.
  func fetch(
    _ file: RemoteFiles.File, from source: any ObjectSource, _ expected: Expectation, _ fetch: Fetch,
    holding note: (SHA256Digest) -> Void
  ) throws(HostError) -> FetchedContent {
    let path = "\(fetches)/\(UInt64.random(in: .min ... .max))"
    defer { unlink(path) }
    for read in 1... {
      unlink(path)
      let growing = try GrowingFile(path, fetch.call)
      try Self.asStorage { () throws(HostError) in
        try source.get(file.key, range: nil, fetch.call) { (bytes) throws(HostError) in
          guard bytes.count <= expected.byteCount - growing.byteCount else { throw Self.otherSize(file, expected) }
          try growing.append(bytes)
          fetch.add(bytes.count)
        }
      }
      guard growing.byteCount == expected.byteCount else { throw Self.otherSize(file, expected) }
      let digest = growing.finish()
      if let wanted = expected.digest, wanted != digest {
        fetch.add(-growing.byteCount)
        guard read == Self.maxReads else { continue }
        throw HostError(
          .storageCorrupt, "\(file.uri) has SHA-256 \(digest), expected is \(wanted) (read \(read) times)",
          details: ["sha256": .string(digest.text), "expected": .string(wanted.text)])
      }
      hold(digest)
      note(digest)
      fetchedBytes.add(growing.byteCount, ordering: .relaxed)
      return FetchedContent(digest: try content.adopt(growing), byteCount: growing.byteCount, uri: file.uri)
    }
    preconditionFailure("the last read returns or throws")
  }

  private static func otherSize(_ file: RemoteFiles.File, _ expected: Expectation) -> HostError {
    HostError(.storageCorrupt, "\(file.uri) doesn't have the \(expected.byteCount) bytes that its storage says it has")
  }

  /// A storage that can't be reached is not this host being overloaded.
  private static func asStorage<Value>(_ body: () throws(HostError) -> Value) throws(HostError) -> Value {
    do throws(HostError) { return try body() } catch {
      guard error.code == .overloaded else { throw error }
      throw HostError(.storageUnavailable, error.description)
    }
  }
}
