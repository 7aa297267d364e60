package import Inference
package import Store
import Telemetry

/// Tenants, users, keys and the audit, in the database. Each change is one transaction with its entry in the audit;
/// requests go by it as soon as it is made.
package actor Tenants {
  let database: Database
  private let admission: Admission

  package nonisolated var unownedExecutor: UnownedSerialExecutor { database.unownedExecutor }

  package init(_ database: Database, _ admission: Admission) {
    self.database = database
    self.admission = admission
  }

  /// Those there are, as requests see it.
  package nonisolated var known: [TenantID] { admission.table.tenants }

  /// Makes a change, writes it into the audit, and lets requests go by it.
  func change<Value: Sendable>(
    _ author: Author, _ action: String, of tenant: TenantID, _ subject: String,
    _ body: @Sendable (Connection) throws(HostError) -> Value
  ) async throws(HostError) -> Value {
    let (value, table) = try await database.transaction { (db) throws(HostError) in
      let value = try body(db)
      try db.addAudit(author, action, of: tenant.text, subject)
      return (value, try CallerTable(db))
    }
    admission.publish(table)
    return value
  }

  /// Writes a change into the audit that isn't one of the database.
  package func note(
    _ author: Author, _ action: String, of tenant: TenantID, _ subject: String
  ) async throws(HostError) {
    try await database.transaction { (db) throws(HostError) in
      try db.addAudit(author, action, of: tenant.text, subject)
    }
  }

  // MARK: Tenants

  /// A page of tenants, by name, and the cursor of the next one; nil where there is none.
  ///
  /// - Parameters:
  ///   - only: The one that is wanted; nil for all.
  ///   - cursor: The last name of the page before.
  package func page(
    only: TenantID?, after cursor: String?, limit: Int
  ) async throws(HostError) -> (tenants: [TenantFacts], next: String?) {
    let rows = try await database.read { (db) throws(HostError) in
      try TenantFacts.all(db, only: only, after: cursor ?? "", limit: limit + 1)
    }
    let page = Array(rows.prefix(limit))
    return (page, rows.count > page.count ? page.last?.id.text : nil)
  }

  package func add(_ tenant: TenantID, by author: Author) async throws(HostError) {
    try await change(author, "tenant.add", of: tenant, tenant.text) { (db) throws(HostError) in
      guard try !Self.exists(tenant, db) else {
        throw HostError(.conflict, "there is a tenant '\(tenant)' already")
      }
      try db.run("INSERT INTO tenants VALUES (?, ?)", tenant.text, WallClock.nowMs, doing: "adding a tenant")
    }
  }

  /// Removes a tenant with its users, keys and uploads. The models in its folder are served no more; their files stay.
  ///
  /// - Throws: `.conflict` while models are registered for it.
  package func remove(_ tenant: TenantID, by author: Author) async throws(HostError) {
    guard tenant != .standard else { throw HostError(.conflict, "the tenant 'default' can't be removed") }
    try await change(author, "tenant.remove", of: tenant, tenant.text) { (db) throws(HostError) in
      try Self.require(tenant, db)
      let count =
        try db.first("SELECT count(*) FROM models WHERE tenant = ?", tenant) { (row) throws(HostError) -> Int in
          try row.value(0)
        } ?? 0
      guard count == 0 else {
        throw HostError(.conflict, "tenant '\(tenant)' has \(count) registered models; archive and purge them first")
      }
      try db.run("DELETE FROM tenants WHERE id = ?", tenant.text, doing: "removing a tenant")
    }
    admission.quotas.forget(tenant)
  }

  static func exists(_ tenant: TenantID, _ db: Connection) throws(HostError) -> Bool {
    let count = try db.first("SELECT count(*) FROM tenants WHERE id = ?", tenant.text) {
      (row) throws(HostError) -> Int in try row.value(0)
    }
    return count == 1
  }

  static func require(_ tenant: TenantID, _ db: Connection) throws(HostError) {
    guard try exists(tenant, db) else {
      throw HostError(.notFound, "no tenant '\(tenant)'; `stadion tenant list` names them")
    }
  }

  // MARK: Users

  /// Makes a user or a group of this machine act for a tenant on the Unix socket, in place of what it did before.
  package func map(
    _ kind: UserFacts.Kind, _ number: UInt32, to tenant: TenantID, as role: Role, by author: Author
  ) async throws(HostError) {
    guard kind == .gid || number != admission.options.ownerUID else {
      throw HostError(.conflict, "user \(number) has started the host and is admin of the tenant 'default'")
    }
    try await change(author, "user.map", of: tenant, "\(kind.rawValue):\(number) \(role.rawValue)") {
      (db) throws(HostError) in
      try Self.require(tenant, db)
      try db.run(
        "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)", kind.rawValue, Int(number), tenant.text, role.rawValue,
        doing: "mapping a user")
    }
  }

  package func unmap(
    _ kind: UserFacts.Kind, _ number: UInt32, from tenant: TenantID, by author: Author
  ) async throws(HostError) {
    try await change(author, "user.unmap", of: tenant, "\(kind.rawValue):\(number)") { (db) throws(HostError) in
      let count = try db.run(
        "DELETE FROM users WHERE kind = ? AND number = ? AND tenant = ?", kind.rawValue, Int(number), tenant.text)
      if count == 0 { throw HostError(.notFound, "\(kind.rawValue) \(number) isn't mapped to the tenant '\(tenant)'") }
    }
  }
}
