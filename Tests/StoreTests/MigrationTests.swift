import Foundation
import Inference
import Testing

@testable import Store

@Suite struct `Changing the database's form` {
  private let folder = TemporaryFolder()

  @Test(arguments: 0..<Schema.migrations.count) func `begins at every earlier one`(form: Int) async throws {
    do { _ = try Database(path: folder.database, migrations: Array(Schema.migrations.prefix(form))) }
    let database = try Database(path: folder.database)
    #expect(try await version(of: database) == Schema.migrations.count)
    #expect(try copies() == [])
  }

  @Test func `tells versions and tags whose they are`() async throws {
    do {
      let database = try Database(path: folder.database, migrations: Array(Schema.migrations.prefix(2)))
      try await database.transaction { (db) throws(HostError) in
        for tenant in ["a", "b"] {
          try db.run("INSERT INTO tenants (id, createdMs) VALUES (?, 0)", tenant)
          try db.run("INSERT INTO models (tenant, name, createdMs, settings) VALUES (?, 'm', 0, '{}')", tenant)
          try db.run(
            """
            INSERT INTO versions
              (model, label, number, stage, createdMs, createdBy, format, byteCount, signature, metadata)
            VALUES (?, '1', 1, 'production', 0, 'x', 'onnx', 1, '{}', '{}')
            """, db.lastRowID)
          try db.run("INSERT INTO tags VALUES (?, 'key', 'value')", db.lastRowID)
          try db.run("INSERT INTO history VALUES (NULL, 0, ?, 'm', 'register', NULL, '1', NULL, 'x')", tenant)
        }
      }
    }
    let rows = try await Database(path: folder.database).read { (db) throws(HostError) in
      try db.all(
        """
        SELECT versions.tenant, tags.tenant, history.note, models.gates FROM versions
        JOIN tags ON tags.version = versions.id JOIN models ON models.id = versions.model
        JOIN history ON history.tenant = versions.tenant ORDER BY versions.id
        """
      ) { (row) throws(HostError) -> [String?] in
        [try row.value(0), try row.value(1), try row.value(2), try row.value(3)]
      }
    }
    #expect(rows == [["a", "a", nil, "{}"], ["b", "b", nil, "{}"]])
  }

  @Test func `tells who has made keys`() async throws {
    let before = try #require(Schema.migrations.firstIndex { $0.title == Schema.approvals.title })
    do {
      let database = try Database(path: folder.database, migrations: Array(Schema.migrations.prefix(before)))
      try await database.transaction { (db) throws(HostError) in
        for id in ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"] {
          try db.run(
            "INSERT INTO keys VALUES (?, 'default', 'infer', randomblob(32), '', 0, NULL, NULL)", id)
        }
        let (first, second) = (Author("uid:1", origin: "", requestID: ""), Author("uid:2", origin: "", requestID: ""))
        try db.addAudit(first, "key.add", of: "default", "aaaaaaaaaaaa infer")
        try db.addAudit(second, "key.rotate", of: "default", "aaaaaaaaaaaa bbbbbbbbbbbb")
      }
    }
    let rows = try await Database(path: folder.database).read { (db) throws(HostError) in
      try db.all("SELECT createdBy, rotatedFrom FROM keys ORDER BY id") {
        (row) throws(HostError) -> [String?] in [try row.value(0), try row.value(1)]
      }
    }
    #expect(rows == [["uid:1", nil], ["uid:2", "aaaaaaaaaaaa"], [nil, nil]])
  }

  @Test func `keeps what was there`() async throws {
    let first = Migration("one", sql: "CREATE TABLE one (a INTEGER); INSERT INTO one VALUES (7)")
    do { _ = try Database(path: folder.database, migrations: [first]) }
    let second = Migration("two", sql: "CREATE TABLE two (a INTEGER); INSERT INTO two SELECT a FROM one")
    let database = try Database(path: folder.database, migrations: [first, second])
    let value = try await database.read { (db) throws(HostError) in
      try db.first("SELECT a FROM two") { (row) throws(HostError) -> Int in try row.value(0) }
    }
    #expect(value == 7)
  }

  @Test func `refuses a newer program's database`() throws {
    do { _ = try Database(path: folder.database, migrations: [Migration("a", sql: ""), Migration("b", sql: "")]) }
    let error = #expect(throws: HostError.self) {
      try Database(path: folder.database, migrations: [Migration("a", sql: "")])
    }
    #expect(error?.message.contains("has form 2, this program knows forms up to 1") == true)
  }

  @Test func `leaves all as it was where a step fails, and a copy`() async throws {
    let good = Migration("good", sql: "CREATE TABLE one (a INTEGER)")
    do { _ = try Database(path: folder.database, migrations: [good]) }
    let bad = Migration("bad", sql: "CREATE TABLE two (a INTEGER); SELECT * FROM missing")
    #expect(throws: HostError.self) { try Database(path: folder.database, migrations: [good, bad]) }
    #expect(try copies() == ["test.db.version-1"])
    let database = try Database(path: folder.database, migrations: [good])
    #expect(try await version(of: database) == 1)
    #expect(try await tables(of: database) == ["one"])
    let copy = try Database(path: "\(folder.path)/test.db.version-1", migrations: [good])
    #expect(try await tables(of: copy) == ["one"])
  }

  @Test(arguments: [
    "UPDATE audit SET caller = 'x'", "DELETE FROM audit",
    "INSERT OR REPLACE INTO audit VALUES (1,0,'','','','','','',1,NULL)",
  ])
  func `lets nobody change what the audit says`(sql: String) async throws {
    let database = try Database(path: folder.database)
    try await database.transaction { (db) throws(HostError) in
      try db.addAudit(Author("uid:0", origin: "unix", requestID: "1"), "tenant.add", of: "default", "a")
    }
    let error = await #expect(throws: HostError.self) {
      try await database.transaction { (db) throws(HostError) in try db.run(sql) }
    }
    #expect("\(error as Any)".contains("audit only grows"))
  }

  private func version(of database: Database) async throws -> Int? {
    try await database.read { (db) throws(HostError) in
      try db.first("PRAGMA user_version") { (row) throws(HostError) -> Int in try row.value(0) }
    }
  }

  private func tables(of database: Database) async throws -> [String] {
    try await database.read { (db) throws(HostError) in
      try db.all("SELECT name FROM sqlite_schema WHERE type = 'table'") {
        (row) throws(HostError) -> String in try row.value(0)
      }
    }
  }

  private func copies() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains(".version-") }
  }
}
