import BlockingTests
import Foundation
import Inference
import Testing

@testable import Store

@Suite struct `The database` {
  private let folder = TemporaryFolder()
  private static let rows = [
    Migration("rows", sql: "CREATE TABLE rows (a INTEGER UNIQUE, b TEXT, c BLOB, d REAL) STRICT")
  ]

  private func open() throws(HostError) -> Database { try Database(path: folder.database, migrations: Self.rows) }

  private func count(_ database: Database) async throws -> Int? {
    try await database.read { (db) throws(HostError) in
      try db.first("SELECT count(*) FROM rows") { (row) throws(HostError) -> Int in try row.value(0) }
    }
  }

  @Test func `gives back what it was given`() async throws {
    let database = try open()
    try await database.transaction { (db) throws(HostError) in
      try db.run("INSERT INTO rows VALUES (?, ?, ?, ?)", Int.min, "a\0é", [UInt8](0...255), -0.5)
      try db.run("INSERT INTO rows VALUES (?, ?, ?, ?)", 2, "", [UInt8](), nil as Double?)
    }
    let texts = try await database.read { (db) throws(HostError) in
      try db.all("SELECT a, b, c, d FROM rows ORDER BY a") { (row) throws(HostError) -> String in
        let (a, b): (Int, String) = (try row.value(0), try row.value(1))
        let (c, d): ([UInt8], Double?) = (try row.value(2), try row.value(3))
        return "\(a) \(Array(b.utf8)) \(c.count) \(d.map(String.init(describing:)) ?? "nil")"
      }
    }
    #expect(texts == ["\(Int.min) [97, 0, 195, 169] 256 -0.5", "2 [] 0 nil"])
  }

  @Test func `says that a column holds something else`() async throws {
    let database = try open()
    let error = await #expect(throws: HostError.self) {
      try await database.read { (db) throws(HostError) in
        try db.first("SELECT 'x' AS name") { (row) throws(HostError) -> Int in try row.value(0) }
      }
    }
    #expect(error?.code == .storageCorrupt)
    #expect(error?.description.contains("name is no Int") == true)
  }

  @Test func `rolls back what throws`() async throws {
    let database = try open()
    await #expect(throws: HostError.self) {
      try await database.transaction { (db) throws(HostError) in
        try db.run("INSERT INTO rows VALUES (1, NULL, NULL, NULL)")
        throw HostError(.conflict, "no")
      }
    }
    #expect(try await count(database) == 0)
  }

  @Test func `names what is there already`() async throws {
    let database = try open()
    let error = await #expect(throws: HostError.self) {
      try await database.transaction { (db) throws(HostError) in
        for _ in 0...1 { try db.run("INSERT INTO rows VALUES (1, NULL, NULL, NULL)", doing: "storing a row") }
      }
    }
    #expect(error?.code == .conflict)
    #expect(error?.message == "storing a row: there is one already with the same rows.a")
  }

  @Test func `is refused to a second host`() throws {
    let first = try open()
    let error = #expect(throws: HostError.self) { try open() }
    #expect(error?.code == .storageUnavailable)
    #expect(error?.message.contains("in use by another process") == true)
    withExtendedLifetime(first) {}
  }

  @Test func `is no file of another kind`() throws {
    try Data("This is no database, but long enough to be looked at.".utf8).write(
      to: URL(fileURLWithPath: folder.database))
    let error = #expect(throws: HostError.self) { try open() }
    #expect(error?.code == .storageCorrupt)
  }

  @Test func `is for its owner alone`() throws {
    let database = try open()
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let facts = try FileManager.default.attributesOfItem(atPath: "\(folder.path)/\(name)")
      #expect(facts[.posixPermissions] as? Int == 0o600, "\(name)")
    }
    withExtendedLifetime(database) {}
  }

  @Test(.blocking) func `loses nothing acknowledged when it is killed`() async throws {
    var acknowledged = 0
    for round in 1...8 {
      let probe = try Probe("write", folder.database, output: "\(folder.path)/output")
      try #require(holds { probe.lines.count > round * 5 })
      probe.kill()
      acknowledged = try #require(Int(probe.lines.last ?? ""))
      let database = try open(acknowledging: "PRAGMA user_version")
      let halves = try await database.read { (db) throws(HostError) in
        try db.all("SELECT number, count(*) FROM rows GROUP BY number ORDER BY number") {
          (row) throws(HostError) -> [Int] in [try row.value(0), try row.value(1)]
        }
      }
      #expect(halves.count >= acknowledged)
      #expect(halves == (1...halves.count).map { [$0, 2] })
    }
  }

  /// The probe's database, which has another form than `rows` of the other tests.
  private func open(acknowledging: String) throws(HostError) -> Database {
    try Database(path: folder.database, migrations: [Migration("rows", sql: "")])
  }

  @Test(.blocking) func `says that the disk is full, and goes on when it isn't`() throws {
    let probe = try Probe("fill", folder.database, "300000", output: "\(folder.path)/output")
    try #require(probe.ends())
    let lines = probe.lines
    let refused = lines.filter { $0.hasPrefix("storageUnavailable: ") }
    #expect(refused.count == 2, "\(lines)")
    let numbers = lines.compactMap { Int($0) }
    let last = try #require(numbers.last)
    #expect(numbers == Array(1...last - 3) + [last], "\(lines)")
  }
}
