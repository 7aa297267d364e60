package import Inference
package import Store
import Synchronization

/// Keeps in the database what tenants may use and have used: limits before they act, usage at most a second later.
package final class QuotaBook: Sendable {
  /// Half of what may be lost: the other half is for the disk.
  private static let pause = Duration.milliseconds(500)

  private let database: Database
  private let quotas: Quotas
  /// What the database has, of those that were asked for since the start.
  private let saved = Mutex<[TenantID: QuotaUsage]>([:])

  package init(_ database: Database, _ quotas: Quotas) {
    self.database = database
    self.quotas = quotas
  }

  /// Takes over what the database has. Before any request.
  package static func load(_ db: Connection, into quotas: Quotas) throws(HostError) {
    let tenants = try db.all("SELECT DISTINCT tenant FROM quotaLimits") {
      (row) throws(HostError) -> TenantID? in TenantID(try row.value(0))
    }
    for case let tenant? in tenants { quotas.setOwn(try own(tenant, db), of: tenant) }
    let usages = try db.all("SELECT tenant, day, requests, refusals, inputBytes, computeNs FROM quotaUsage") {
      (row) throws(HostError) -> (tenant: TenantID?, usage: QuotaUsage) in
      var usage = QuotaUsage(day: Int64(try row.value(1, as: Int.self)))
      usage.requests = try row.count(2)
      usage.refusals = try row.count(3)
      usage.inputBytes = try row.count(4)
      usage.computeNs = try row.count(5)
      return (TenantID(try row.value(0)), usage)
    }
    for case let (tenant?, usage) in usages { quotas.restore(usage, of: tenant) }
  }

  // MARK: Usage

  /// Saves usage until its task is cancelled.
  package func run() async {
    await RegularSave.run(every: Self.pause, "can't save usage of quotas") { try await save() }
  }

  /// Saves what has changed since the last time.
  package func save() async throws(HostError) {
    let usages = quotas.usages
    let changed = saved.withLock { saved in usages.filter { saved[$0.key] != $0.value } }
    guard !changed.isEmpty else { return }
    try await database.transaction { (db) throws(HostError) in
      for (tenant, usage) in changed {
        // A tenant may have been removed meanwhile.
        try db.run(
          """
          INSERT OR REPLACE INTO quotaUsage
          SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM tenants WHERE id = ?1)
          """, tenant.text, Int(usage.day), Int(clamping: usage.requests), Int(clamping: usage.refusals),
          Int(clamping: usage.inputBytes), Int(clamping: usage.computeNs), doing: "saving usage")
      }
    }
    saved.withLock { $0.merge(changed) { _, new in new } }
  }

  // MARK: Limits

  /// Sets limits of one tenant, in the database and then for its next request.
  ///
  /// - Parameter change: From what was set before to what is set then.
  /// - Throws: `.notFound`.
  package func setOwn(
    of tenant: TenantID, by author: Author,
    _ change: @Sendable ([QuotaField: Int]) -> [QuotaField: Int]
  ) async throws(HostError) {
    try await database.transaction { (db) throws(HostError) in
      let isThere = try db.first("SELECT 1 FROM tenants WHERE id = ?", tenant.text) {
        (row) throws(HostError) -> Int in try row.value(0)
      }
      guard isThere != nil else {
        throw HostError(.notFound, "no tenant '\(tenant)'; `stadion tenant list` names them")
      }
      let own = change(try Self.own(tenant, db))
      try db.run("DELETE FROM quotaLimits WHERE tenant = ?", tenant.text, doing: "setting a quota")
      for (field, value) in own {
        try db.run(
          "INSERT INTO quotaLimits VALUES (?, ?, ?)", tenant.text, field.rawValue, value, doing: "setting a quota")
      }
      let text = own.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.rawValue)=\($0.value)" }
      try db.addAudit(author, "quota.set", of: tenant.text, text.isEmpty ? "defaults" : text.joined(separator: " "))
    }
    // On the database's thread: of two changes, the later acts last.
    try await database.read { [quotas] (db) throws(HostError) in quotas.setOwn(try Self.own(tenant, db), of: tenant) }
  }

  private static func own(_ tenant: TenantID, _ db: Connection) throws(HostError) -> [QuotaField: Int] {
    let all = try db.all("SELECT name, value FROM quotaLimits WHERE tenant = ?", tenant.text) {
      (row) throws(HostError) -> (QuotaField?, Int) in (QuotaField(rawValue: try row.value(0)), try row.value(1))
    }
    // What a later program knows is left out.
    let known = all.compactMap { field, value in field.map { ($0, value) } }
    return Dictionary(uniqueKeysWithValues: known)
  }
}

extension Row {
  fileprivate func count(_ index: Int) throws(HostError) -> UInt64 {
    UInt64(clamping: try value(index, as: Int.self))
  }
}
