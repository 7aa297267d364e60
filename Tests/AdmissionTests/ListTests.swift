import Inference
import Testing

@testable import Admission
@testable import Store

@Suite struct `Lists for admins` {
  private let folder = TemporaryFolder()
  private let database: Database
  private let tenants: Tenants
  private let acme = TenantID("acme")!

  init() async throws {
    database = try Database(path: folder.database)
    tenants = Tenants(
      database, Admission(.init(ownerUID: 0, unmappedRole: nil, anonymousRole: nil, knowsKeys: true)))
    try await tenants.add(acme, by: Author("uid:0", origin: "", requestID: ""))
  }

  /// 60 entries a millisecond apart, but for the last: the clock was set back.
  private func addEntries() async throws {
    try await database.transaction { (db) throws(HostError) in
      for number in 1...60 {
        try db.run(
          """
          INSERT INTO audit (timeMs, tenant, caller, origin, action, subject, requestID)
          VALUES (?, ?, ?, '', ?, ?, '')
          """, number == 60 ? 1 : 1000 + number / 2, number % 2 == 0 ? "acme" : "default", "key:\(number % 3)",
          number % 5 == 0 ? "key.add" : "key.revoke", String(number))
      }
    }
  }

  private struct Wanted: Sendable {
    var tenant: String?
    var action: String?
    var caller: String?
    var fromMs: Int?
    var toMs: Int?

    func filter(_ cursor: Int? = nil, limit: Int) -> Tenants.AuditFilter {
      var filter = Tenants.AuditFilter()
      filter.tenant = tenant.flatMap { TenantID($0) }
      (filter.action, filter.caller, filter.fromMs, filter.toMs) = (action, caller, fromMs, toMs)
      (filter.cursor, filter.limit) = (cursor, limit)
      return filter
    }
  }

  private static let wanted = [
    Wanted(), Wanted(tenant: "acme"), Wanted(action: "key.add"), Wanted(caller: "key:1"),
    Wanted(tenant: "acme", action: "key.add"), Wanted(tenant: "acme", caller: "key:2"),
    Wanted(tenant: "acme", action: "key.revoke", caller: "key:0"), Wanted(action: "key.add", caller: "key:0"),
    Wanted(fromMs: 1010, toMs: 1020), Wanted(tenant: "acme", action: "key.revoke", fromMs: 1005),
    Wanted(caller: "key:1", toMs: 1011), Wanted(action: "key"), Wanted(toMs: 2), Wanted(fromMs: 1015, toMs: 1015),
  ]

  @Test func `of the audit hold what passes every filter, page by page`() async throws {
    try await addEntries()
    for wanted in Self.wanted {
      let all = try await database.read { (db) throws(HostError) in
        try db.all(
          "SELECT \(AuditEntry.columns) FROM audit ORDER BY timeMs DESC, number DESC"
        ) { (row) throws(HostError) in try AuditEntry(row) }
      }
      let passing = all.filter { entry in
        (wanted.tenant ?? entry.tenant) == entry.tenant && (wanted.action ?? entry.action) == entry.action
          && (wanted.caller ?? entry.caller) == entry.caller && (wanted.fromMs ?? 0) <= entry.timeMs
          && entry.timeMs < wanted.toMs ?? .max
      }
      for limit in [1, 7, 61] {
        var numbers: [Int] = []
        var cursor: Int?
        repeat {
          let page = try await tenants.audit(wanted.filter(cursor, limit: limit))
          numbers += page.entries.map(\.number)
          cursor = page.next
        } while cursor != nil
        #expect(numbers == passing.map(\.number), "\(wanted), \(limit) a page")
      }
    }
  }

  @Test func `of the audit never look at what comes before the page, or sort`() async throws {
    for wanted in Self.wanted {
      let plan = try await database.read { (db) throws(HostError) in
        try db.all(
          "EXPLAIN QUERY PLAN \(Tenants.auditQuery(wanted.filter(limit: 1)))", 0, 1, 1, "", "", "", 1
        ) { (row) throws(HostError) -> String in try row.value(3) }
      }
      #expect(plan.allSatisfy { $0.hasPrefix("SEARCH") && $0.contains("timeMs>") }, "\(wanted): \(plan)")
    }
  }

  @Test func `go on from no entry of another tenant`() async throws {
    try await addEntries()
    let other = try await tenants.audit(Wanted(tenant: "default").filter(limit: 1)).entries[0].number
    let refusal = await #expect(throws: HostError.self) {
      try await tenants.audit(Wanted(tenant: "acme").filter(other, limit: 1))
    }
    #expect(refusal?.code == .invalidRequest)
  }

  @Test func `of keys follow each other, by state and role`() async throws {
    let author = Author("uid:0", origin: "", requestID: "")
    var ids: [String] = []
    for number in 0..<12 {
      let tenant = number % 4 == 3 ? TenantID.standard : acme
      let made = try await tenants.addKey(
        to: tenant, as: number % 2 == 0 ? .infer : .admin, label: "", expiringIn: nil, by: author)
      ids.append(made.facts.id)
    }
    try await database.transaction { [ids] (db) throws(HostError) in
      // Of the same millisecond.
      try db.run("UPDATE keys SET createdMs = 7")
      try db.run("UPDATE keys SET expiresMs = 8 WHERE id = ?", ids[0])
      try db.run("UPDATE keys SET revokedMs = 8 WHERE id = ? OR id = ?", ids[1], ids[2])
    }
    func list(_ change: (inout Tenants.KeyFilter) -> Void, limit: Int) async throws -> [String] {
      var filter = Tenants.KeyFilter()
      change(&filter)
      filter.limit = limit
      var found: [String] = []
      repeat {
        let page = try await tenants.keys(filter)
        found += page.keys.map(\.id)
        filter.cursor = try page.next.map { try ListCursor($0.text) }
      } while filter.cursor != nil
      return found
    }
    for limit in [1, 5, 12] {
      #expect(try await list({ _ in }, limit: limit) == ids.sorted())
      #expect(try await list({ $0.tenant = .standard }, limit: limit) == [ids[3], ids[7], ids[11]].sorted())
      #expect(try await list({ $0.state = .expired }, limit: limit) == [ids[0]])
      #expect(try await list({ $0.state = .revoked }, limit: limit) == [ids[1], ids[2]].sorted())
      #expect(try await list({ ($0.state, $0.role) = (.valid, .infer) }, limit: limit).count == 4)
    }
    let plan = try await database.read { (db) throws(HostError) in
      try db.all("EXPLAIN QUERY PLAN \(Tenants.keysQuery(.init()))", 1, "", "", "", 1, 1) {
        (row) throws(HostError) -> String in try row.value(3)
      }
    }
    #expect(plan.count == 1 && plan[0].hasPrefix("SEARCH"), "\(plan)")
  }

  @Test(arguments: ["", "7", "x-y", "-1-a"]) func `go on from no cursor that they didn't give`(text: String) {
    #expect(throws: HostError.self) { try ListCursor(text) }
  }

  @Test func `of tenants follow each other`() async throws {
    for name in ["b", "c", "d"] {
      try await tenants.add(TenantID(name)!, by: Author("uid:0", origin: "", requestID: ""))
    }
    try await tenants.map(.uid, 7, to: TenantID("c")!, as: .infer, by: Author("uid:0", origin: "", requestID: ""))
    var names: [String] = []
    var cursor: String?
    repeat {
      let page = try await tenants.page(only: nil, after: cursor, limit: 2)
      names += page.tenants.map { "\($0.id)\($0.users.map { " \($0.number)" }.joined())" }
      cursor = page.next
    } while cursor != nil
    #expect(names == ["acme", "b", "c 7", "d", "default"])
    let own = try await tenants.page(only: acme, after: nil, limit: 100)
    #expect(own.tenants.map(\.id) == [acme] && own.next == nil)
  }
}
