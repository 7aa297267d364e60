import Inference
import Store
import Testing
import Wire

@testable import Admission

@Suite struct `What is kept of quotas` {
  private static let author = Author("uid:7", origin: "unix uid=7", requestID: "r-1")
  private let folder = TemporaryFolder()

  /// A program's life with the database, from start to end.
  @discardableResult
  private func life<Value>(
    _ defaults: QuotaLimits = QuotaLimits(), _ body: (Quotas, QuotaBook, Database) async throws -> Value
  ) async throws -> Value {
    let quotas = Quotas(defaults)
    let database = try Database(path: folder.database) { (db) throws(HostError) in
      try QuotaBook.load(db, into: quotas)
    }
    return try await body(quotas, QuotaBook(database, quotas), database)
  }

  private func ask(_ quota: Quota, computeNs: UInt64 = 0) throws {
    let reservation = try quota.reserve(inputBytes: 10, nowNs: 1)
    reservation.commit(computeNs: computeNs)
  }

  @Test func `usage goes on where it was saved`() async throws {
    try await life { quotas, book, _ in
      for _ in 0..<3 { try ask(quotas.quota(of: .standard), computeNs: 1_500_000_000) }
      try await book.save()
      try ask(quotas.quota(of: .standard))
    }
    try await life { quotas, book, _ in
      let quota = quotas.quota(of: .standard)
      #expect(quota.usage.requests == 3 && quota.usage.inputBytes == 30 && quota.usage.computeNs == 4_500_000_000)
      try ask(quota)
      try await book.save()
    }
    try await life { quotas, _, _ in #expect(quotas.quota(of: .standard).usage.requests == 4) }
  }

  @Test func `run time of a day stays used up after a restart`() async throws {
    var limits = QuotaLimits()
    limits.computeSecondsPerDay = 1
    try await life(limits) { quotas, book, _ in
      try ask(quotas.quota(of: .standard), computeNs: 1_000_000_000)
      try await book.save()
    }
    try await life(limits) { quotas, _, _ in
      let error = #expect(throws: HostError.self) { try ask(quotas.quota(of: .standard)) }
      #expect(error?.details?["limit"] == "computeSecondsPerDay")
    }
  }

  @Test func `usage of another day doesn't come back`() async throws {
    try await life { _, _, database in
      try await database.transaction { (db) throws(HostError) in
        try db.run("INSERT INTO quotaUsage VALUES ('default', 19000, 5, 5, 5, 5)")
      }
    }
    try await life { quotas, _, _ in
      let usage = quotas.quota(of: .standard).usage
      #expect(usage == QuotaUsage(day: usage.day) && usage.day > 19_000)
    }
  }

  @Test func `nothing is written while nothing is used`() async throws {
    try await life { quotas, book, database in
      try ask(quotas.quota(of: .standard))
      try await book.save()
      try await database.transaction { (db) throws(HostError) in try db.run("DELETE FROM quotaUsage") }
      try await book.save()
      let count = try await database.read { (db) throws(HostError) in
        try db.first("SELECT count(*) FROM quotaUsage") { (row) throws(HostError) -> Int in try row.value(0) }
      }
      #expect(count == 0)
    }
  }

  @Test func `a tenant that was removed holds up nobody's usage`() async throws {
    let gone = try #require(TenantID("gone"))
    try await life { quotas, book, _ in
      try ask(quotas.quota(of: gone))
      try ask(quotas.quota(of: .standard))
      try await book.save()
    }
    try await life { quotas, _, _ in #expect(quotas.quota(of: .standard).usage.requests == 1) }
  }

  // MARK: Limits

  @Test func `limits of one tenant act at once, last, and stand in the audit`() async throws {
    var defaults = QuotaLimits()
    defaults.burst = 7
    let other = try #require(TenantID("other"))
    try await life(defaults) { quotas, book, database in
      let quota = quotas.quota(of: .standard)
      try await book.setOwn(of: .standard, by: Self.author) { _ in [.requestsPerSecond: 5, .weight: 3] }
      #expect(quota.limits.requestsPerSecond == 5 && quota.limits.burst == 7 && quota.weight == 3)
      #expect(quotas.quota(of: other).limits == defaults)
      let entry = try await database.read { (db) throws(HostError) in
        try db.first("SELECT tenant, caller, origin, action, subject, requestID FROM audit") {
          (row) throws(HostError) -> [String] in
          var texts: [String] = []
          for column in 0..<6 { texts.append(try row.value(column)) }
          return texts
        }
      }
      #expect(entry == ["default", "uid:7", "unix uid=7", "quota.set", "requestsPerSecond=5 weight=3", "r-1"])
    }
    try await life(defaults) { quotas, book, _ in
      #expect(quotas.quota(of: .standard).limits.requestsPerSecond == 5)
      try await book.setOwn(of: .standard, by: Self.author) { own in own.filter { $0.key == .weight } }
      #expect(quotas.quota(of: .standard).limits.requestsPerSecond == 0 && quotas.quota(of: .standard).weight == 3)
      // What was set for one stays when the defaults change.
      quotas.defaults = QuotaLimits()
      #expect(quotas.quota(of: .standard).limits.burst == 0 && quotas.quota(of: .standard).weight == 3)
    }
  }

  @Test func `nobody sets limits of a tenant that isn't there`() async throws {
    let other = try #require(TenantID("other"))
    try await life { quotas, book, _ in
      let error = await #expect(throws: HostError.self) {
        try await book.setOwn(of: other, by: Self.author) { _ in [.burst: 1] }
      }
      #expect(error?.code == .notFound && quotas.own(other).isEmpty)
    }
  }
}
