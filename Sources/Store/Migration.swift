import Glibc
import Inference
import Telemetry

/// A step from one form of the database to the next. Once released it is never changed: later steps build on it.
package struct Migration: Sendable {
  /// For the log, as "tenants, keys and audit".
  package let title: String
  let sql: String

  package init(_ title: String, sql: String) {
    self.title = title
    self.sql = sql
  }

  /// Makes the steps that the file hasn't seen, each in a transaction; its version is their count.
  ///
  /// A copy of the file as it was, `<path>.version-N`, is made first and kept where a step fails.
  static func bring(_ connection: Connection, to migrations: [Migration]) throws(HostError) {
    let version =
      try connection.first("PRAGMA user_version") { (row) throws(HostError) -> Int in try row.value(0) } ?? 0
    guard version <= migrations.count else {
      throw HostError(
        .conflict,
        "the database has form \(version), this program knows forms up to \(migrations.count); start the newer program")
    }
    guard version < migrations.count else { return }
    let copy = "\(connection.path).version-\(version)"
    if version > 0 {
      unlink(copy)
      try connection.run("VACUUM INTO ?", copy, doing: "copying the database before it is changed")
    }
    for (index, migration) in migrations.enumerated().dropFirst(version) {
      try connection.transaction { (db) throws(HostError) in
        try db.runScript(migration.sql, doing: "bringing the database to form \(index + 1) (\(migration.title))")
        try db.run("PRAGMA user_version = \(index + 1)")
      }
      Log.info("changed the database's form", ("form", String(index + 1)), ("for", migration.title))
    }
    if version > 0 { unlink(copy) }
  }
}
