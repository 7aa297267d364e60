import Glibc
package import Inference
package import Storage
package import Store
import Synchronization
import Telemetry
import Threads
package import Wire

/// Files on their way here: known to the database from the first answer, so that they go on after a restart.
package final class Uploads: Sendable {
  private let database: Database
  let folder: String
  let claims: StorageClaims
  /// Each upload has one of them, in turn.
  private let threads = (0..<8).map { _ in RunThreads(name: "upload", limit: 1) }
  private let nextThread = Atomic<Int>(0)
  /// Those between requests that have a descriptor, the longest quiet first.
  private let quiet = Mutex<[Upload]>([])
  /// Each closed file costs a wait for the disk, which a sender of many small parts must not pay each time.
  private static let quietLimit = 64
  /// Those that were asked for since the start, by id.
  private let open = Mutex<[String: Upload]>([:])

  /// - Parameter folder: Is there, and on one file system with the content.
  init(_ database: Database, folder: String, _ claims: StorageClaims) {
    self.database = database
    self.folder = folder
    self.claims = claims
  }

  deinit { for thread in threads { thread.end() } }

  /// - Parameter limit: Of the tenant's uploads that are under way.
  /// - Throws: `.quotaExceeded` where that is reached, or `byteCount` bytes are more than the tenant may keep.
  package func create(
    tenant: TenantID, byteCount: Int?, sha256: SHA256Digest?, limit: Int
  ) async throws(HostError) -> Upload {
    let id = String((0..<32).map { _ in "0123456789abcdef".randomElement()! })
    let now = WallClock.nowMs
    try await claims.claim(id, of: tenant, byteCount: byteCount ?? 0)
    do throws(HostError) {
      try await database.transaction { (db) throws(HostError) in
        let count = try db.first("SELECT count(*) FROM uploads WHERE tenant = ?", tenant) {
          (row) throws(HostError) -> Int in try row.value(0)
        }
        guard count ?? 0 < limit else {
          throw HostError(
            .quotaExceeded,
            "tenant '\(tenant)' has \(limit) uploads under way (registry.maxUploads); go on with them or delete some",
            details: ["limit": "registry.maxUploads", "value": .integer(limit)], retryAfterSeconds: 60)
        }
        try db.run(
          "INSERT INTO uploads (id, tenant, createdMs, byteCount, sha256) VALUES (?, ?, ?, ?, ?)", id, tenant, now,
          byteCount, sha256?.text, doing: "beginning an upload")
      }
    } catch {
      claims.release(id)
      throw error
    }
    return keep(upload(id, tenant, byteCount, sha256))
  }

  /// - Throws: `.notFound` where the tenant has no such upload.
  package func find(_ id: String, tenant: TenantID) async throws(HostError) -> Upload {
    if let known = open.withLock({ $0[id] }), known.tenant == tenant { return known }
    let row = try await database.read { (db) throws(HostError) -> (Int?, String?)? in
      try db.first("SELECT byteCount, sha256 FROM uploads WHERE id = ? AND tenant = ?", id, tenant) {
        (row) throws(HostError) in (try row.value(0), try row.value(1))
      }
    }
    guard let row else { throw HostError(.notFound, "there is no upload '\(id.excerpt)'; it may have expired") }
    return keep(upload(id, tenant, row.0, row.1.flatMap { SHA256Digest($0) }))
  }

  /// Lets an upload take bytes from one request; `Upload.begin` says how.
  ///
  /// - Throws: What `Upload.begin` does; `.quotaExceeded` where they are more than its tenant may keep.
  package func begin(_ upload: Upload, at offset: Int, count: Int, limit: Int) async throws(HostError) {
    try await upload.begin(at: offset, count: count, limit: limit)
    do throws(HostError) {
      try await claims.claim(upload.id, of: upload.tenant, byteCount: offset + count)
    } catch {
      await upload.end()
      throw error
    }
  }

  /// A request sends no more. What it has announced and not sent takes no room.
  package func end(_ upload: Upload) async {
    let there = (try? await upload.offset()) ?? 0
    // While it is still busy: another request's claim must not be lowered.
    claims.settle(upload.id, byteCount: max(upload.byteCount ?? 0, there))
    await upload.end()
    let oldest = quiet.withLock { quiet -> Upload? in
      quiet.removeAll { $0 === upload }
      quiet.append(upload)
      return quiet.count > Self.quietLimit ? quiet.removeFirst() : nil
    }
    await oldest?.rest()
  }

  /// Those that somebody has begun or gone on with since the start, by tenant.
  package var counts: [TenantID: Int] {
    open.withLock { open in open.values.reduce(into: [:]) { $0[$1.tenant, default: 0] += 1 } }
  }

  /// Forgets an upload and its bytes.
  package func delete(_ upload: Upload) async throws(HostError) {
    let (id, path) = (upload.id, upload.path)
    try await database.transaction { (db) throws(HostError) in
      try db.run("DELETE FROM uploads WHERE id = ?", id, doing: "deleting an upload")
    }
    forget([id])
    unlink(path)
  }

  /// A page of a tenant's, the last begun first, and where the next one starts.
  ///
  /// - Parameter sha256: Only those of this digest; nil for all.
  package func list(
    tenant: TenantID, sha256: SHA256Digest?, keepMs: Int, cursor: ListCursor?, limit: Int
  ) async throws(HostError) -> (rows: [JSONValue], next: ListCursor?) {
    let rows = try await database.read { (db) throws(HostError) in
      try db.all(
        """
        SELECT id, createdMs, byteCount, sha256 FROM uploads INDEXED BY uploadsOfTenant
        WHERE tenant = ?1 AND (?2 IS NULL OR sha256 = ?2)
          AND createdMs <= ?3 AND (createdMs < ?3 OR id < ?4)
        ORDER BY createdMs DESC, id DESC LIMIT ?5
        """, tenant, sha256?.text, cursor?.ms ?? Int.max, cursor?.id ?? "", limit + 1
      ) { (row) throws(HostError) -> (id: String, createdMs: Int, byteCount: Int?, sha256: String?) in
        (try row.value(0), try row.value(1), try row.value(2), try row.value(3))
      }
    }
    let page = rows.prefix(limit)
    let next = rows.count > page.count ? page.last.map { ListCursor(ms: $0.createdMs, id: $0.id) } : nil
    return (
      page.map { row in
        var status = stat()
        let offset = stat("\(folder)/\(row.id)", &status) == 0 ? Int(status.st_size) : 0
        var members: [JSONValue.Member] = [.init("id", .string(row.id)), .init("offset", .integer(offset))]
        if let count = row.byteCount { members.append(.init("bytes", .integer(count))) }
        if let digest = row.sha256 { members.append(.init("sha256", .string(digest))) }
        let lastMs = max(row.createdMs, modifiedMs(row.id))
        members += [.init("createdMs", .integer(row.createdMs)), .init("expiresMs", .integer(lastMs + keepMs))]
        return .object(members)
      }, next
    )
  }

  /// Forgets those that nobody has sent to for `keepMs`, and files that no upload has.
  package func expire(keepMs: Int) async throws(HostError) {
    let all = try await database.read { (db) throws(HostError) in
      try db.all("SELECT id, createdMs, tenant, byteCount FROM uploads") {
        (row) throws(HostError) -> (id: String, createdMs: Int, tenant: TenantID, byteCount: Int?) in
        (try row.value(0), try row.value(1), try row.value(2), try row.value(3))
      }
    }
    let oldest = WallClock.nowMs - keepMs
    var expired: [String] = []
    for row in all where max(row.createdMs, modifiedMs(row.id)) < oldest {
      // Somebody may be about to go on with it: then it stays.
      if let upload = open.withLock({ $0[row.id] }), await !upload.close() { continue }
      expired.append(row.id)
    }
    if !expired.isEmpty {
      do throws(HostError) {
        try await database.transaction { [expired] (db) throws(HostError) in
          for id in expired { try db.run("DELETE FROM uploads WHERE id = ?", id, doing: "expiring uploads") }
        }
      } catch {
        // They are as they were.
        for id in expired { await open.withLock({ $0[id] })?.end() }
        throw error
      }
      Log.info("forgot uploads that nobody went on with", ("count", String(expired.count)))
    }
    forget(expired)
    let kept = Set(all.map(\.id)).subtracting(expired)
    for upload in all where kept.contains(upload.id) {
      claims.restore(upload.id, of: upload.tenant, byteCount: max(upload.byteCount ?? 0, byteCount(upload.id)))
    }
    for name in Files.names(in: folder) where !kept.contains(name) && open.withLock({ $0[name] == nil }) {
      unlink("\(folder)/\(name)")
    }
  }

  /// Of those that a transaction has made content of.
  func forget(_ ids: [String]) {
    open.withLock { open in for id in ids { open[id] = nil } }
    quiet.withLock { $0.removeAll { ids.contains($0.id) } }
    for id in ids {
      unlink("\(folder)/\(id)")
      claims.release(id)
    }
  }

  private func modifiedMs(_ id: String) -> Int {
    var status = stat()
    guard stat("\(folder)/\(id)", &status) == 0 else { return 0 }
    return status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1_000_000
  }

  private func byteCount(_ id: String) -> Int {
    var status = stat()
    return stat("\(folder)/\(id)", &status) == 0 ? Int(status.st_size) : 0
  }

  private func upload(_ id: String, _ tenant: TenantID, _ byteCount: Int?, _ sha256: SHA256Digest?) -> Upload {
    let turn = nextThread.wrappingAdd(1, ordering: .relaxed).oldValue & (threads.count - 1)
    return Upload(
      id: id, tenant: tenant, byteCount: byteCount, sha256: sha256, path: "\(folder)/\(id)", on: threads[turn])
  }

  /// Two who ask for the same get the same.
  private func keep(_ upload: Upload) -> Upload {
    open.withLock { open in
      if let known = open[upload.id] { return known }
      open[upload.id] = upload
      return upload
    }
  }
}
