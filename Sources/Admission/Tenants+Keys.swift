package import Inference
package import Store
import Telemetry

extension Tenants {
  /// A key as it is shown once, and what stays known of it.
  package struct NewKey: Sendable {
    package let key: String
    package let facts: KeyFacts
  }

  /// What of the keys is wanted; nil for all.
  package struct KeyFilter: Sendable {
    package var tenant: TenantID?
    package var state: KeyState?
    package var role: Role?
    /// What an earlier page ended with.
    package var cursor: ListCursor?
    package var limit = 100

    package init() {}
  }

  /// A page of keys, the newest last, and the cursor of the next one; nil where there is none.
  package func keys(_ filter: KeyFilter) async throws(HostError) -> (keys: [KeyFacts], next: ListCursor?) {
    try await database.read { (db) throws(HostError) in
      let rows = try db.all(
        Self.keysQuery(filter), filter.cursor?.ms ?? 0, filter.cursor?.id ?? "", filter.tenant?.text,
        filter.role?.rawValue, WallClock.nowMs, filter.limit + 1
      ) { (row) throws(HostError) in try KeyFacts(row) }
      let page = Array(rows.prefix(filter.limit))
      let next = rows.count > page.count ? page.last.map { ListCursor(ms: $0.createdMs, id: $0.id) } : nil
      return (page, next)
    }
  }

  /// Goes along an index from the cursor on.
  static func keysQuery(_ filter: KeyFilter) -> String {
    let state =
      switch filter.state {
      case nil: "?5 > 0"
      case .valid: "revokedMs IS NULL AND coalesce(expiresMs > ?5, 1)"
      case .expired: "revokedMs IS NULL AND expiresMs <= ?5"
      case .revoked: "revokedMs IS NOT NULL AND ?5 > 0"
      }
    return """
      SELECT \(KeyFacts.columns) FROM keys INDEXED BY \(filter.tenant == nil ? "keysByTime" : "keysOfTenant")
      WHERE createdMs >= ?1 AND (createdMs > ?1 OR id > ?2)
        AND \(filter.tenant == nil ? "?3 IS NULL" : "tenant = ?3") AND (?4 IS NULL OR role = ?4) AND \(state)
      ORDER BY createdMs, id LIMIT ?6
      """
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
    let known = try await database.read { (db) throws(HostError) in
      try db.first(
        "SELECT \(KeyFacts.columns) FROM keys WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)", id, tenant?.text
      ) { (row) throws(HostError) in try KeyFacts(row) }
    }
    guard let known else {
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
}
