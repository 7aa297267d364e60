import Inference
import Testing

@testable import Store

/// The sums that triggers keep.
@Suite struct `What is stored by each tenant` {
  private let folder = TemporaryFolder()

  private static let two = """
    INSERT INTO models (id, tenant, name, createdMs, settings) VALUES (1, 'default', 'a', 0, '{}'), (2, 'default', 'b', 0, '{}');
    INSERT INTO versions
      (id, model, label, number, stage, createdMs, createdBy, format, byteCount, signature, metadata)
    VALUES
      (1, 1, '1', 1, 'archived', 0, '', '', 100, '', ''), (2, 1, '2', 2, 'development', 0, '', '', 20, '', ''),
      (3, 2, '1', 1, 'development', 0, '', '', 3, '', '');
    """

  private func stored(_ database: Database) async throws -> [String] {
    try await database.read { (db) throws(HostError) in
      try db.all("SELECT tenant, byteCount, modelCount FROM stored ORDER BY tenant") {
        (row) throws(HostError) -> String in
        "\(try row.value(0, as: String.self)) \(try row.value(1, as: Int.self)) \(try row.value(2, as: Int.self))"
      }
    }
  }

  private func run(_ sql: String, _ database: Database) async throws {
    try await database.transaction { (db) throws(HostError) in try db.runScript(sql, doing: "testing") }
  }

  @Test func `follows what comes and goes`() async throws {
    let database = try Database(path: folder.database)
    #expect(try await stored(database) == [])
    try await run(Self.two, database)
    #expect(try await stored(database) == ["default 123 2"])
    try await run("DELETE FROM versions WHERE id = 1", database)
    #expect(try await stored(database) == ["default 23 2"])
    // Versions that go with their model.
    try await run("DELETE FROM models WHERE id = 1", database)
    #expect(try await stored(database) == ["default 3 1"])
    try await run(
      "INSERT INTO models (id, tenant, name, createdMs, settings) VALUES (9, 'default', 'b', 0, '{}') ON CONFLICT DO NOTHING",
      database)
    #expect(try await stored(database) == ["default 3 1"])
    try await run("DELETE FROM versions; DELETE FROM models", database)
    #expect(try await stored(database) == ["default 0 0"])
  }

  @Test func `is counted when an older database is brought to its form`() async throws {
    let before = try #require(Schema.migrations.firstIndex { $0.title == Schema.quotas.title })
    do {
      let database = try Database(path: folder.database, migrations: Array(Schema.migrations.prefix(before)))
      try await run("INSERT INTO tenants VALUES ('other', 0)", database)
      try await run(Self.two, database)
      try await run(
        "INSERT INTO models (id, tenant, name, createdMs, settings) VALUES (5, 'other', 'a', 0, '{}')", database)
    }
    let database = try Database(path: folder.database)
    #expect(try await stored(database) == ["default 123 2", "other 0 1"])
  }
}
