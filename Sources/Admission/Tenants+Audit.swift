package import Inference
import Store

extension Tenants {
  /// What of the audit is wanted; nil for all.
  package struct AuditFilter: Sendable {
    package var tenant: TenantID?
    /// As `key.add`.
    package var action: String?
    /// As `key:3f9a0c51b2d4` or `uid:1000`.
    package var caller: String?
    /// Milliseconds since 1970: from the first on, and before the last.
    package var fromMs: Int?
    package var toMs: Int?
    /// Number of the entry that an earlier page ended with.
    package var cursor: Int?
    package var limit = 100

    package init() {}
  }

  /// A page of entries, the newest first, and the cursor of the next one; nil where there is none.
  package func audit(_ filter: AuditFilter) async throws(HostError) -> (entries: [AuditEntry], next: Int?) {
    try await database.read { (db) throws(HostError) in
      var lastMs = filter.toMs.map { $0 - 1 } ?? Int.max
      var before = Int.max
      if let cursor = filter.cursor {
        // Another tenant's entry tells nothing, not even when it was made.
        let timeMs = try db.first(
          "SELECT timeMs FROM audit WHERE number = ?1 AND (?2 IS NULL OR tenant = ?2)", cursor, filter.tenant?.text
        ) { (row) throws(HostError) -> Int in try row.value(0) }
        guard let timeMs else {
          throw HostError(.invalidRequest, "'cursor' must be the 'next' of a page, not \(cursor)")
        }
        if timeMs <= lastMs { (lastMs, before) = (timeMs, cursor) }
      }
      let rows = try db.all(
        Self.auditQuery(filter), filter.fromMs ?? 0, lastMs, before, filter.tenant?.text, filter.action, filter.caller,
        filter.limit + 1
      ) { (row) throws(HostError) in try AuditEntry(row) }
      let page = Array(rows.prefix(filter.limit))
      return (page, rows.count > page.count ? page.last?.number : nil)
    }
  }

  /// Goes along the index of the narrowest filter from the cursor on: which one is ours to say, as nothing is known to the
  /// planner of how much there is of what.
  static func auditQuery(_ filter: AuditFilter) -> String {
    let index =
      switch (filter.tenant != nil, filter.caller != nil, filter.action != nil) {
      case (true, true, _): "auditOfTenantCaller"
      case (true, false, true): "auditOfTenantAction"
      case (true, false, false): "auditOfTenant"
      case (false, true, _): "auditByCaller"
      case (false, false, true): "auditByAction"
      case (false, false, false): "auditByTime"
      }
    func condition(_ isGiven: Bool, _ column: String, _ parameter: String) -> String {
      isGiven ? "\(column) = \(parameter)" : "\(parameter) IS NULL"
    }
    return """
      SELECT \(AuditEntry.columns) FROM audit INDEXED BY \(index)
      WHERE timeMs >= ?1 AND timeMs <= ?2 AND (timeMs < ?2 OR number < ?3)
        AND \(condition(filter.tenant != nil, "tenant", "?4")) AND \(condition(filter.action != nil, "action", "?5"))
        AND \(condition(filter.caller != nil, "caller", "?6"))
      ORDER BY timeMs DESC, number DESC LIMIT ?7
      """
  }
}
