import Admission
import Inference
import Testing
import Wire

@testable import Catalog
@testable import Store

@Suite struct `Lists of versions` {
  /// Filters, and the numbers of m's twenty versions that pass.
  private static let filters: [(Catalog.Filter, @Sendable (Int) -> Bool)] = [
    (filter { $0.model = "m" }, { _ in true }), (filter { $0.format = "onnx" }, { $0 % 2 == 0 }),
    (filter { $0.stage = .archived }, { $0 % 10 == 0 }), (filter { $0.tag = ("third", "1") }, { $0 % 3 == 1 }),
    (filter { ($0.model, $0.stage, $0.format) = ("m", .development, "onnx") }, { $0 % 2 == 0 && $0 % 10 != 0 }),
    (filter { ($0.model, $0.tag, $0.stage) = ("m", ("third", "2"), .archived) }, { $0 % 3 == 2 && $0 % 10 == 0 }),
    (filter { ($0.format, $0.tag) = ("tflite", ("third", "0")) }, { $0 % 3 == 0 && $0 % 2 == 1 }),
    (filter { $0.tag = ("third", "3") }, { _ in false }), (filter { $0.model = "absent" }, { _ in false }),
  ]

  private static func filter(_ change: (inout Catalog.Filter) -> Void) -> Catalog.Filter {
    var filter = Catalog.Filter()
    change(&filter)
    return filter
  }

  @Test func `hold what passes every filter, page by page, and nothing of other tenants`() async throws {
    let fixture = try await CatalogFixture()
    try await fixture.add("m", count: 7, tenant: TenantID("other")!)
    try await fixture.add("m", count: 20)
    try await fixture.add("m2", count: 4, tenant: TenantID("other")!)
    for (filter, passes) in Self.filters {
      let wanted = filter.model == "absent" ? [] : (1...20).filter(passes).reversed().map { String($0) }
      for limit in [1, 3, 20, 100] {
        var filter = filter
        filter.limit = limit
        var labels: [String] = []
        repeat {
          let page = try await fixture.catalog.versions(tenant: .standard, filter)
          labels += page["versions"]?.array?.compactMap { $0["version"]?.string } ?? []
          filter.cursor = page["next"]?.string.flatMap { Int($0) }
        } while filter.cursor != nil
        #expect(labels == wanted, "\(filter)")
      }
    }
  }

  @Test func `never look at what comes before the page, or sort`() async throws {
    let fixture = try await CatalogFixture()
    for filter in Self.filters.map(\.0) + [Catalog.Filter()] {
      let plan = try await fixture.database.read { (db) throws(HostError) in
        try db.all(
          "EXPLAIN QUERY PLAN \(Catalog.query(filter))", 1, "", "", "", "", "", "", 1
        ) { (row) throws(HostError) -> String in try row.value(3) }
      }
      #expect(!plan.contains { $0.contains("SCAN") || $0.contains("TEMP B-TREE") }, "\(filter): \(plan)")
    }
  }
}

@Suite struct `A gate for approvers` {
  @Test func `turns lower roles away, also from the gates themselves`() async throws {
    let fixture = try await CatalogFixture()
    try await fixture.add("m", count: 2)
    var gates = Gates()
    gates.approver = .admin
    try await fixture.catalog.setGates(fixture.subject("m", role: .admin), gates)
    let publisher = fixture.subject("m", role: .publish)
    let refusal = await #expect(throws: HostError.self) {
      try await fixture.catalog.promote(publisher, "1", to: .production)
    }
    #expect(refusal?.code == .forbidden && refusal?.details?["gate"] == "approver", "\(refusal?.message ?? "")")
    let change = await #expect(throws: HostError.self) { try await fixture.catalog.setGates(publisher, Gates()) }
    #expect(change?.code == .forbidden)
    // Who has the role gets past the gate; that no runner loads the version is another matter.
    let other = await #expect(throws: HostError.self) {
      try await fixture.catalog.promote(fixture.subject("m", role: .admin), "1", to: .production)
    }
    #expect(other?.code == .conflict && other?.details == nil, "\(other?.message ?? "")")
  }
}

@Suite struct `Summaries of models` {
  @Test func `count without looking at each version's row`() async throws {
    let fixture = try await CatalogFixture()
    try await fixture.add("m", count: 20)
    try await fixture.add("m", count: 3, tenant: TenantID("other")!)
    let summary = try await fixture.catalog.summary(of: "m", tenant: .standard)
    #expect(summary["versions"] == ["archived": 2, "development": 18] && summary["bytes"]?.int == 200)
    #expect(summary["latest"] == "19")
    let plan = try await fixture.database.read { (db) throws(HostError) in
      try db.all(
        """
        EXPLAIN QUERY PLAN SELECT stage, count(*), sum(byteCount) FROM versions INDEXED BY versionsOfModelStage
        WHERE model = ? GROUP BY stage
        """, 1
      ) { (row) throws(HostError) -> String in try row.value(3) }
        + db.all("EXPLAIN QUERY PLAN \(ServingPlan.latestID)", 1) {
          (row) throws(HostError) -> String in try row.value(3)
        }
    }
    #expect(plan.contains { $0.contains("COVERING INDEX versionsOfModelStage") }, "\(plan)")
    #expect(!plan.contains { $0.contains("TEMP B-TREE") || $0.hasPrefix("SCAN versions") }, "\(plan)")
  }
}
