import Inference
import Store
import Testing

@testable import Admission

@Suite struct `Refused callers` {
  private func kind(
    _ source: String, _ reason: RefusalReason = .unknownKey, caller: String = "nobody"
  ) -> RefusalBook.Kind {
    RefusalBook.Kind(reason: reason, caller: caller, tenant: .standard, source: source)
  }

  @Test func `get a row at once, then after pauses that double while they go on`() {
    var book = RefusalBook()
    var rows: [(minute: Int, count: Int)] = []
    // Ten a second, for a day.
    for second in 0..<86_400 {
      for _ in 0..<10 { book.add(kind("tcp a"), sinceMs: second, requestID: "r\(second)") }
      rows += book.take(nowMs: second * 1000).map { (second / 60, $0.count) }
    }
    #expect(rows.map(\.minute).prefix(7) == [0, 1, 3, 7, 15, 31, 63])
    #expect(rows[0].count == 10 && rows[1].count == 600 && rows[2].count == 1200)
    #expect(rows.count == 7 + (1440 - 63) / 60)
    #expect(book.totals == [.unknownKey: 864_000])
  }

  @Test func `begin anew after a quiet pause, and name the first request`() {
    var book = RefusalBook()
    book.add(kind("tcp a"), sinceMs: 5, requestID: "one")
    book.add(kind("tcp a"), sinceMs: 9, requestID: "two")
    #expect(book.take(nowMs: 10) == [.init(kind: kind("tcp a"), count: 2, sinceMs: 5, requestID: "one")])
    #expect(book.take(nowMs: 60_010) == [])
    book.add(kind("tcp a"), sinceMs: 60_020, requestID: "three")
    #expect(book.take(nowMs: 60_020) == [.init(kind: kind("tcp a"), count: 1, sinceMs: 60_020, requestID: "three")])
  }

  @Test func `lose their address where there are too many, and no count`() {
    let limits = RefusalBook.Limits()
    var book = RefusalBook(limits)
    var rows: [RefusalBook.Row] = []
    // Every ten seconds of two days ten addresses that never came before, and a key that was revoked from another.
    let turns = 17_280
    for turn in 0..<turns {
      for number in 0..<10 { book.add(kind("tcp \(turn * 10 + number)"), sinceMs: turn, requestID: "r") }
      book.add(kind("tcp \(turn)", .revokedKey, caller: "key:1"), sinceMs: turn, requestID: "r")
      rows += book.take(nowMs: turn * 10_000)
    }
    rows += book.take(nowMs: turns * 10_000, isLast: true)
    let named = rows.filter { $0.kind.source != RefusalBook.Kind.otherSources }
    #expect(named.count <= 2 * limits.dailyRows && named.count > limits.kinds)
    // Of two kinds, hour by hour.
    #expect(rows.count - named.count <= 2 * (48 + 7))
    #expect(rows.reduce(0) { $0 + $1.count } == turns * 11)
    #expect(rows.filter { $0.kind.caller == "key:1" }.reduce(0) { $0 + $1.count } == turns)
  }

  @Test func `are written later where they couldn't be`() {
    var book = RefusalBook()
    book.add(kind("tcp a"), sinceMs: 1, requestID: "one")
    let rows = book.take(nowMs: 1)
    book.add(kind("tcp a"), sinceMs: 2, requestID: "two")
    book.putBack(rows)
    #expect(book.take(nowMs: 2) == [.init(kind: kind("tcp a"), count: 2, sinceMs: 1, requestID: "one")])
  }

  @Test func `stand in the audit with their key's name and tenant, by what was wrong`() async throws {
    let folder = TemporaryFolder()
    let database = try Database(path: folder.database)
    let admission = Admission(.init(ownerUID: 1, unmappedRole: nil, anonymousRole: nil, knowsKeys: true))
    let tenants = Tenants(database, admission)
    let (acme, author) = (try #require(TenantID("acme")), Author("uid:1", origin: "unix uid=1 pid=1", requestID: "1"))
    try await tenants.add(acme, by: author)
    let revoked = try await tenants.addKey(to: acme, as: .infer, label: "", expiringIn: nil, by: author)
    let expired = try await tenants.addKey(to: acme, as: .infer, label: "", expiringIn: 0, by: author)
    try await tenants.revokeKey(revoked.facts.id, of: nil, by: author)

    func refuse(_ peer: Identity.Peer, _ credential: String?, _ source: String) {
      let bytes = credential.map { Array($0.utf8) }
      #expect(throws: HostError.self) {
        let origin = { RefusedCallers.Origin(source: source, requestID: "r") }
        guard let bytes else { return _ = try admission.recognize(Identity(peer), nil, from: origin) }
        _ = try bytes.withUnsafeBytes { try admission.recognize(Identity(peer), $0, from: origin) }
      }
    }
    for _ in 0..<3 { refuse(.tcp, "Bearer \(revoked.key)", "tcp 127.0.0.1") }
    refuse(.unix(uid: 1, gid: 1), expired.key, "unix uid=1")
    refuse(.unix(uid: 1, gid: 1), APIKey.fresh(), "unix uid=1")
    refuse(.tcp, nil, "tcp 127.0.0.1")
    refuse(.unix(uid: 7, gid: 7), nil, "unix uid=7")
    try await admission.refused.save(in: database)
    try await admission.refused.save(in: database, isLast: true)

    let entries = try await tenants.audit(.init()).entries.filter { $0.action == "caller.refuse" }
    #expect(
      Set(entries.map { "\($0.tenant) \($0.caller) \($0.origin): \($0.subject) x\($0.count)" }) == [
        "acme key:\(revoked.facts.id) tcp 127.0.0.1: revoked key x3",
        "acme key:\(expired.facts.id) unix uid=1: expired key x1",
        "default nobody unix uid=1: unknown key x1", "default nobody tcp 127.0.0.1: no key x1",
        "default nobody unix uid=7: unmapped user x1",
      ])
    #expect(entries.count == 5)
    #expect(
      admission.refused.totals == [.revokedKey: 3, .expiredKey: 1, .unknownKey: 1, .noKey: 1, .unmappedUser: 1])
  }
}
