package import Inference
package import Store

/// Who is who, as it was at one moment. Immutable; requests read it without a call.
package final class CallerTable: Sendable {
  struct KeyEntry {
    let digest: KeyDigest
    let caller: Caller
    let isRevoked: Bool
  }

  /// Grows with each change: the number of the audit's last entry.
  let generation: Int
  package let tenants: [TenantID]
  private let users: [UInt32: Caller]
  private let groups: [UInt32: Caller]
  /// By the first bytes of their digest. Also those that have expired or were revoked, for the audit to name.
  private let keys: [UInt64: [KeyEntry]]

  /// Nobody but the default tenant.
  init() {
    generation = 0
    tenants = [.standard]
    users = [:]
    groups = [:]
    keys = [:]
  }

  /// What the database says now.
  init(_ db: Connection) throws(HostError) {
    generation =
      try db.first("SELECT coalesce(max(number), 0) FROM audit") { (row) throws(HostError) -> Int in
        try row.value(0)
      } ?? 0
    tenants = try db.all("SELECT id FROM tenants ORDER BY id") { (row) throws(HostError) in try row.tenant(0) }
    var (users, groups): ([UInt32: Caller], [UInt32: Caller]) = ([:], [:])
    for user in try UserFacts.all(db) {
      let number = UInt32(truncatingIfNeeded: user.number)
      let caller = Caller(tenant: user.tenant, role: user.role, name: "\(user.kind.rawValue):\(number)")
      if user.kind == .uid { users[number] = caller } else { groups[number] = caller }
    }
    self.users = users
    self.groups = groups
    let entries = try db.all("SELECT id, tenant, role, digest, expiresMs, revokedMs IS NOT NULL FROM keys") {
      (row) throws(HostError) -> KeyEntry? in
      let (id, expiresMs): (String, Int?) = (try row.value(0), try row.value(4))
      let caller = Caller(tenant: try row.tenant(1), role: try row.role(2), name: "key:\(id)", expiresMs: expiresMs)
      let isRevoked = try row.value(5, as: Int.self) == 1
      return KeyDigest(bytes: try row.value(3)).map { KeyEntry(digest: $0, caller: caller, isRevoked: isRevoked) }
    }
    keys = Dictionary(grouping: entries.compactMap(\.self)) { $0.digest.bucket }
  }

  /// Whom the user, else the group, is mapped to.
  func caller(uid: UInt32, gid: UInt32) -> Caller? { users[uid] ?? groups[gid] }

  func key(_ digest: KeyDigest) -> KeyEntry? {
    var found: KeyEntry?
    for entry in keys[digest.bucket] ?? [] where entry.digest == digest { found = entry }
    return found
  }
}

extension Row {
  package func tenant(_ index: Int) throws(HostError) -> TenantID {
    let text: String = try value(index)
    guard let tenant = TenantID(text) else {
      throw HostError(.storageCorrupt, "the database has a tenant '\(text.excerpt)', which no tenant can be called")
    }
    return tenant
  }

  func role(_ index: Int) throws(HostError) -> Role {
    let text: String = try value(index)
    guard let role = Role(rawValue: text) else {
      throw HostError(.storageCorrupt, "the database has a role '\(text.excerpt)', which there isn't")
    }
    return role
  }
}
