import Inference
import Testing

@testable import Store

/// A row of each table, as the form that brought it has them.
@Suite struct `Rows of every earlier form` {
  private static let rows: [(form: String, sql: [String])] = [
    (
      Schema.tenants.title,
      [
        "INSERT INTO tenants (id, createdMs) VALUES ('acme', 1)",
        "INSERT INTO users (kind, number, tenant, role) VALUES ('uid', 7, 'acme', 'infer')",
        """
        INSERT INTO keys (id, tenant, role, digest, label, createdMs, expiresMs, revokedMs)
          VALUES ('aaaaaaaaaaaa', 'acme', 'admin', randomblob(32), 'ci', 1, NULL, 2)
        """,
        """
        INSERT INTO audit (timeMs, tenant, caller, origin, action, subject, requestID)
          VALUES (1, 'acme', 'uid:0', 'unix', 'key.add', 'aaaaaaaaaaaa admin', 'r')
        """,
      ]
    ),
    (
      Schema.registry.title,
      [
        "INSERT INTO uploads (id, tenant, createdMs, byteCount, sha256) VALUES ('u', 'acme', 1, 10, NULL)",
        "INSERT INTO models (id, tenant, name, createdMs, settings) VALUES (1, 'acme', 'm', 1, '{}')",
        """
        INSERT INTO versions
          (id, model, label, number, stage, createdMs, createdBy, format, byteCount, signature, metadata)
          VALUES (1, 1, '1', 1, 'production', 1, 'uid:0', 'onnx', 10, '{}', '{}')
        """,
        "INSERT INTO files (version, path, sha256, byteCount) VALUES (1, 'model.onnx', 'ab', 10)",
        "INSERT INTO tags (version, key, value) VALUES (1, 'k', 'v')",
        "INSERT INTO aliases (model, alias, version) VALUES (1, 'best', 1)",
        """
        INSERT INTO history (timeMs, tenant, model, action, place, version, replaced, caller)
          VALUES (1, 'acme', 'm', 'promote', 'production', '1', NULL, 'uid:0')
        """,
      ]
    ),
    (
      Schema.life.title,
      [
        "INSERT INTO deprecations (version, model, sinceMs, successor) VALUES (1, 1, 1, '2')",
        "INSERT INTO parents (version, position, tenant, sha256) VALUES (1, 0, 'acme', 'cd')",
      ]
    ),
    (
      Schema.jobs.title,
      [
        """
        INSERT INTO jobs (id, tenant, kind, createdMs, createdBy, model, request, state)
          VALUES ('j', 'acme', 'register', 1, 'uid:0', 'm', '{}', 'queued')
        """, "INSERT INTO origins (version, path, uri) VALUES (1, 'model.onnx', 's3://b/k')",
      ]
    ),
    (
      Schema.quotas.title,
      [
        "INSERT INTO quotaLimits (tenant, name, value) VALUES ('acme', 'weight', 3)",
        "INSERT INTO quotaUsage VALUES ('acme', 20000, 1, 2, 3, 4)",
      ]
    ),
    (Schema.uploads.title, ["INSERT INTO looseObjects (uri, sha256) VALUES ('s3://b/x', 'ef')"]),
    (
      Schema.approvals.title,
      [
        """
        INSERT INTO approvals (version, stage, caller, role, timeMs)
          VALUES (1, 'production', 'uid:0', 'admin', 1)
        """
      ]
    ),
  ]

  private let folder = TemporaryFolder()

  /// Counts of all tables, without what was there from the start.
  private func counts(_ database: Database) async throws -> [String: Int] {
    try await database.read { (db) throws(HostError) in
      let names = try db.all(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
      ) { (row) throws(HostError) -> String in try row.value(0) }
      var counts: [String: Int] = [:]
      for name in names {
        counts[name] = try db.first("SELECT count(*) FROM \(name)") { (row) throws(HostError) -> Int in try row.value(0)
        }
      }
      return counts
    }
  }

  @Test(arguments: 1...Schema.migrations.count) func `are all there in today's`(form: Int) async throws {
    let known = Array(Schema.migrations.prefix(form))
    var before: [String: Int] = [:]
    do {
      let database = try Database(path: folder.database, migrations: known)
      try await database.transaction { (db) throws(HostError) in
        for (title, statements) in Self.rows where known.contains(where: { $0.title == title }) {
          for sql in statements { try db.run(sql) }
        }
      }
      before = try await counts(database)
    }
    let database = try Database(path: folder.database)
    let after = try await counts(database)
    for (table, count) in before { #expect(count > 0 && after[table] == count, "\(table) of form \(form)") }
    let problems = try await database.read { (db) throws(HostError) in
      try db.all("PRAGMA foreign_key_check") { (row) throws(HostError) -> String in try row.value(0) }
        + db.all("PRAGMA integrity_check") { (row) throws(HostError) -> String in try row.value(0) }
    }
    #expect(problems == ["ok"])
    let stored = try await database.read { (db) throws(HostError) in
      try db.first("SELECT byteCount, modelCount FROM stored WHERE tenant = 'acme'") {
        (row) throws(HostError) -> [Int] in [try row.value(0), try row.value(1)]
      }
    }
    #expect(stored == (form >= 2 ? [10, 1] : nil))
  }
}
