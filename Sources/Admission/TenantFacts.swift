package import Inference
import Store
import Telemetry

/// A user or a group of this machine that acts for a tenant.
package struct UserFacts: Sendable {
  package enum Kind: String, Sendable, CaseIterable { case uid, gid }

  package let kind: Kind
  package let number: Int
  package let tenant: TenantID
  package let role: Role

  /// - Parameter tenant: Nil for all.
  static func all(_ db: Connection, of tenant: TenantID? = nil) throws(HostError) -> [UserFacts] {
    let columns = "SELECT kind, number, tenant, role FROM users"
    let condition = tenant == nil ? "WHERE ?1 IS NULL" : "WHERE tenant = ?1"
    return try db.all("\(columns) \(condition) ORDER BY kind DESC, number", tenant?.text) {
      (row) throws(HostError) -> UserFacts in
      let kind: String = try row.value(0)
      return UserFacts(
        kind: kind == "gid" ? .gid : .uid, number: try row.value(1), tenant: try row.tenant(2), role: try row.role(3))
    }
  }
}

package struct TenantFacts: Sendable {
  package let id: TenantID
  package let createdMs: Int
  /// Keys that neither have been revoked nor have expired.
  package let keyCount: Int
  package let users: [UserFacts]

  static func all(
    _ db: Connection, only: TenantID?, after cursor: String, limit: Int
  ) throws(HostError) -> [TenantFacts] {
    try db.all(
      """
      SELECT id, createdMs,
        (SELECT count(*) FROM keys WHERE tenant = tenants.id AND revokedMs IS NULL AND coalesce(expiresMs > ?1, 1))
      FROM tenants WHERE id > ?2 AND (?3 IS NULL OR id = ?3) ORDER BY id LIMIT ?4
      """, WallClock.nowMs, cursor, only?.text, limit
    ) { (row) throws(HostError) -> TenantFacts in
      let id = try row.tenant(0)
      return TenantFacts(
        id: id, createdMs: try row.value(1), keyCount: try row.value(2), users: try UserFacts.all(db, of: id))
    }
  }
}

package enum KeyState: String, Sendable, CaseIterable { case valid, expired, revoked }

/// What there is to know of a key, which itself is nowhere.
package struct KeyFacts: Sendable {
  package let id: String
  package let tenant: TenantID
  package let role: Role
  package let label: String
  package let createdMs: Int
  package let expiresMs: Int?
  package let revokedMs: Int?

  package var state: KeyState {
    if revokedMs != nil { return .revoked }
    return expiresMs.map { $0 <= WallClock.nowMs } == true ? .expired : .valid
  }

  static let columns = "id, tenant, role, label, createdMs, expiresMs, revokedMs"

  init(_ row: Row) throws(HostError) {
    id = try row.value(0)
    tenant = try row.tenant(1)
    role = try row.role(2)
    label = try row.value(3)
    createdMs = try row.value(4)
    expiresMs = try row.value(5)
    revokedMs = try row.value(6)
  }
}

/// One line of the audit.
package struct AuditEntry: Sendable {
  package let number: Int
  package let timeMs: Int
  package let tenant: String
  package let caller: String
  package let origin: String
  package let action: String
  package let subject: String
  package let requestID: String
  /// Requests that it stands for: of callers that were refused, there may be many.
  package let count: Int
  /// When the first of them came; nil where there is one.
  package let sinceMs: Int?

  static let columns = "number, timeMs, tenant, caller, origin, action, subject, requestID, count, sinceMs"

  init(_ row: Row) throws(HostError) {
    number = try row.value(0)
    timeMs = try row.value(1)
    tenant = try row.value(2)
    caller = try row.value(3)
    origin = try row.value(4)
    action = try row.value(5)
    subject = try row.value(6)
    requestID = try row.value(7)
    count = try row.value(8)
    sinceMs = try row.value(9)
  }
}
