package import Inference
package import Store
import Telemetry

extension Tenants {
  /// A key as it is shown once, and what stays known of it.
  package struct NewKey: Sendable {
    package let key: String
    package let facts: KeyFacts
  }

  /// All keys, of one tenant or of all, the newest last.
  package func keys(of tenant: TenantID?) async throws(HostError) -> [KeyFacts] {
    try await database.read { (db) throws(HostError) in
      try db.all(
        "SELECT \(KeyFacts.columns) FROM keys WHERE ?1 IS NULL OR tenant = ?1 ORDER BY createdMs, id", tenant?.text
      ) { (row) throws(HostError) in try KeyFacts(row) }
    }
  }

  /// - Parameter seconds: Until it expires; nil for never.
  package func addKey(
    to tenant: TenantID, as role: Role, label: String, expiringIn seconds: Int?, by author: Author
  ) async throws(HostError) -> NewKey {
    let id = APIKey.freshID()
    return try await change(author, "key.add", of: tenant, "\(id) \(role.rawValue)") { (db) throws(HostError) in
      try Self.require(tenant, db)
      let expiresMs = seconds.map { WallClock.nowMs + $0 * 1000 }
      return try Self.insertKey(id, tenant, role, label, expiresMs, by: author, db)
    }
  }

  /// From the next request on nobody is known by it.
  ///
  /// - Parameter tenant: Whose it must be; nil for anybody's.
  package func revokeKey(_ id: String, of tenant: TenantID?, by author: Author) async throws(HostError) {
    let known = try await key(id, of: tenant)
    try await change(author, "key.revoke", of: known.tenant, id) { (db) throws(HostError) in
      try db.run(
        "UPDATE keys SET revokedMs = coalesce(revokedMs, ?) WHERE id = ?", WallClock.nowMs, id,
        doing: "revoking a key")
      return
    }
  }

  /// Makes another key like this one, which goes on for `overlapSeconds` so that callers can change over.
  package func rotateKey(
    _ id: String, of tenant: TenantID?, overlapSeconds: Int, by author: Author
  ) async throws(HostError) -> NewKey {
    let old = try await key(id, of: tenant)
    let newID = APIKey.freshID()
    return try await change(author, "key.rotate", of: old.tenant, "\(id) \(newID)") { (db) throws(HostError) in
      let now = WallClock.nowMs
      let count = try db.run(
        """
        UPDATE keys SET expiresMs = min(coalesce(expiresMs, ?1), ?1)
        WHERE id = ?2 AND revokedMs IS NULL AND coalesce(expiresMs > ?3, 1)
        """, now + overlapSeconds * 1000, id, now, doing: "rotating a key")
      guard count == 1 else {
        throw HostError(.conflict, "key \(id) isn't valid any more; `stadion key create` makes another")
      }
      // As long as the old one would have lived from its beginning on.
      let expiresMs = old.expiresMs.map { now + $0 - old.createdMs }
      return try Self.insertKey(
        newID, old.tenant, old.role, old.label, expiresMs, by: author, rotatedFrom: id, db)
    }
  }

  private func key(_ id: String, of tenant: TenantID?) async throws(HostError) -> KeyFacts {
    guard let known = try await keys(of: tenant).first(where: { $0.id == id }) else {
      throw HostError(.notFound, "no key '\(id.excerpt)'; `stadion key list` names them")
    }
    return known
  }

  private static func insertKey(
    _ id: String, _ tenant: TenantID, _ role: Role, _ label: String, _ expiresMs: Int?, by author: Author,
    rotatedFrom: String? = nil, _ db: Connection
  ) throws(HostError) -> NewKey {
    let key = APIKey.fresh()
    let digest = try Array(key.utf8).withUnsafeBytes { bytes in
      Result { () throws(HostError) in try KeyDigest(of: bytes) }
    }
    .get()
    try db.run(
      """
      INSERT INTO keys (id, tenant, role, digest, label, createdMs, expiresMs, createdBy, rotatedFrom)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      """, id, tenant.text, role.rawValue, digest.bytes, label, WallClock.nowMs, expiresMs, author.name, rotatedFrom,
      doing: "adding a key")
    let facts = try db.first("SELECT \(KeyFacts.columns) FROM keys WHERE id = ?", id) {
      (row) throws(HostError) in try KeyFacts(row)
    }
    guard let facts else { throw HostError(.internalError, "a key that was added isn't there") }
    return NewKey(key: key, facts: facts)
  }

  // MARK: Audit

  /// The newest `limit` entries before `number`, newest first, of one tenant or of all.
  package func audit(of tenant: TenantID?, before number: Int?, limit: Int) async throws(HostError) -> [AuditEntry] {
    try await database.read { (db) throws(HostError) in
      try db.all(
        """
        SELECT \(AuditEntry.columns) FROM audit
        WHERE (?1 IS NULL OR tenant = ?1) AND number < ?2 ORDER BY number DESC LIMIT ?3
        """, tenant?.text, number ?? .max, limit
      ) { (row) throws(HostError) in try AuditEntry(row) }
    }
  }
}
