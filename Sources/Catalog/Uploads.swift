import Glibc
package import Inference
package import Storage
import Store
import Synchronization
import Telemetry

/// Files on their way here: known to the database from the first answer, so that they go on after a restart.
package final class Uploads: Sendable {
  private let database: Database
  let folder: String
  /// Those that were asked for since the start, by id.
  private let open = Mutex<[String: Upload]>([:])

  /// - Parameter folder: Is there, and on one file system with the content.
  init(_ database: Database, folder: String) {
    self.database = database
    self.folder = folder
  }

  package func create(tenant: TenantID, byteCount: Int?, sha256: SHA256Digest?) async throws(HostError) -> Upload {
    let id = String((0..<32).map { _ in "0123456789abcdef".randomElement()! })
    let now = WallClock.nowMs
    try await database.transaction { (db) throws(HostError) in
      try db.run(
        "INSERT INTO uploads (id, tenant, createdMs, byteCount, sha256) VALUES (?, ?, ?, ?, ?)", id, tenant, now,
        byteCount, sha256?.text, doing: "beginning an upload")
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

  /// Forgets an upload and its bytes.
  package func delete(_ upload: Upload) async throws(HostError) {
    let (id, path) = (upload.id, upload.path)
    try await database.transaction { (db) throws(HostError) in
      try db.run("DELETE FROM uploads WHERE id = ?", id, doing: "deleting an upload")
    }
    forget([id])
    unlink(path)
  }

  /// Forgets those that nobody has sent to for `keepMs`, and files that no upload has.
  package func expire(keepMs: Int) async throws(HostError) {
    let all = try await database.read { (db) throws(HostError) in
      try db.all("SELECT id, createdMs FROM uploads") { (row) throws(HostError) -> (id: String, createdMs: Int) in
        (try row.value(0), try row.value(1))
      }
    }
    let oldest = WallClock.nowMs - keepMs
    let expired = all.filter { max($0.createdMs, modifiedMs($0.id)) < oldest }.map(\.id)
    if !expired.isEmpty {
      try await database.transaction { (db) throws(HostError) in
        for id in expired { try db.run("DELETE FROM uploads WHERE id = ?", id, doing: "expiring uploads") }
      }
      Log.info("forgot uploads that nobody went on with", ("count", String(expired.count)))
    }
    forget(expired)
    let kept = Set(all.map(\.id)).subtracting(expired)
    for name in Files.names(in: folder) where !kept.contains(name) && open.withLock({ $0[name] == nil }) {
      unlink("\(folder)/\(name)")
    }
  }

  /// Of those that a transaction has made content of.
  func forget(_ ids: [String]) {
    open.withLock { open in for id in ids { open[id] = nil } }
    for id in ids { unlink("\(folder)/\(id)") }
  }

  private func modifiedMs(_ id: String) -> Int {
    var status = stat()
    guard stat("\(folder)/\(id)", &status) == 0 else { return 0 }
    return status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1_000_000
  }

  private func upload(_ id: String, _ tenant: TenantID, _ byteCount: Int?, _ sha256: SHA256Digest?) -> Upload {
    Upload(id: id, tenant: tenant, byteCount: byteCount, sha256: sha256, path: "\(folder)/\(id)")
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
