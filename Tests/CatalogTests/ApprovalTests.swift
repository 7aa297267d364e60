import Admission
import Inference
import Testing
import Wire

@testable import Catalog
@testable import Store

@Suite struct `An approval that is taken back` {
  private func subject(_ caller: String) -> Subject {
    Subject(tenant: .standard, caller: Author(caller, origin: "", requestID: ""), role: .publish, model: "m")
  }

  /// What a promotion's transaction says.
  private func refusal(_ fixture: CatalogFixture, _ passed: Catalog.Passed) async throws -> HostError? {
    try await fixture.database.read { (db) throws(HostError) in
      let model = try db.modelID("m", .standard)
      let version = try db.version("1", of: "m", model)
      do throws(HostError) {
        _ = try passed.check(version, subject("key:a"), model, nil, db)
        return nil
      } catch { return error }
    }
  }

  @Test func `counts no more, though the version had passed its gates already`() async throws {
    let fixture = try await CatalogFixture()
    try await fixture.add("m", count: 1)
    var gates = Gates()
    gates.approval = .publish
    try await fixture.catalog.setGates(fixture.subject("m"), gates)
    try await fixture.catalog.approve(subject("key:b"), "1", for: .staging, note: nil)
    await #expect(throws: HostError.self) {
      try await fixture.catalog.pass(subject("uid:1"), "1", to: .production)
    }
    try await fixture.catalog.approve(subject("uid:2"), "1", for: .production, note: nil)
    let passed = try await fixture.catalog.pass(subject("uid:1"), "1", to: .production)
    #expect(try await refusal(fixture, passed) == nil)
    try await fixture.catalog.unapprove(subject("uid:2"), "1", for: .production, of: nil)
    #expect(try await refusal(fixture, passed)?.details?["gate"] == "approval")
  }

  @Test func `isn't missed where its gate has come meanwhile`() async throws {
    let fixture = try await CatalogFixture()
    try await fixture.add("m", count: 1)
    let passed = try await fixture.catalog.pass(subject("uid:1"), "1", to: .production)
    #expect(try await refusal(fixture, passed) == nil)
    var gates = Gates()
    gates.approval = .publish
    try await fixture.catalog.setGates(fixture.subject("m"), gates)
    #expect(try await refusal(fixture, passed)?.message.contains("have changed meanwhile") == true)
  }
}
