package import Inference
package import Store

/// Who asks for a change, for the audit.
package struct Author: Sendable {
  package let caller: Caller
  /// As `unix uid=1000 pid=4711` or `tcp 127.0.0.1:51122`.
  package let origin: String
  package let requestID: String

  package init(_ caller: Caller, origin: String, requestID: String) {
    self.caller = caller
    self.origin = origin
    self.requestID = requestID
  }
}

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
      try db.run(
        "INSERT INTO audit VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", WallClock.milliseconds, tenant.text,
        author.caller.name, author.origin, action, subject, author.requestID, doing: "writing the audit")
      return (value, try CallerTable(db))
    }
    admission.publish(table)
    return value
  }

  // MARK: Tenants

  package func all() async throws(HostError) -> [TenantFacts] {
    try await database.read { (db) throws(HostError) in try TenantFacts.all(db) }
  }

  package func add(_ tenant: TenantID, by author: Author) async throws(HostError) {
    try await change(author, "tenant.add", of: tenant, tenant.text) { (db) throws(HostError) in
      guard try !Self.exists(tenant, db) else {
        throw HostError(.conflict, "there is a tenant '\(tenant)' already")
      }
      try db.run("INSERT INTO tenants VALUES (?, ?)", tenant.text, WallClock.milliseconds, doing: "adding a tenant")
    }
  }

  /// Removes a tenant with its users and keys. Its models are served no more; their files stay.
  package func remove(_ tenant: TenantID, by author: Author) async throws(HostError) {
    guard tenant != .standard else { throw HostError(.conflict, "the tenant 'default' can't be removed") }
    try await change(author, "tenant.remove", of: tenant, tenant.text) { (db) throws(HostError) in
      try Self.require(tenant, db)
      try db.run("DELETE FROM tenants WHERE id = ?", tenant.text, doing: "removing a tenant")
    }
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
