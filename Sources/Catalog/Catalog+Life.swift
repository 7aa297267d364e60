package import Inference
import Storage
import Store

/// The end of a version's life, and the way back.
extension Catalog {
  /// Takes a version out of use; it stays registered and can be restored.
  package func archive(_ subject: Subject, _ label: String) async throws(HostError) {
    try await change(subject, label, "archive") { (db, version) throws(HostError) in
      guard version.stage != .archived else { throw Self.wrongStage(version, subject, "archived already") }
      try Self.checkUnused(version, subject, db)
      try db.setStage(.archived, of: version)
    }
  }

  package func restore(_ subject: Subject, _ label: String) async throws(HostError) {
    try await change(subject, label, "restore") { (db, version) throws(HostError) in
      guard version.stage == .archived else { throw Self.wrongStage(version, subject, "not archived") }
      try db.setStage(.development, of: version)
    }
  }

  /// Deletes an archived version for good, with all of its content that no other version has.
  package func purge(_ subject: Subject, _ label: String) async throws(HostError) {
    let digests = try await database.transaction { (db) throws(HostError) -> [SHA256Digest] in
      let model = try db.modelID(subject.model, subject.tenant)
      let version = try db.version(label, of: subject.model, model)
      guard version.stage == .archived else {
        throw Self.wrongStage(version, subject, "not archived; archive it before it is purged")
      }
      let digests = try db.all("SELECT sha256 FROM files WHERE version = ?", version.id) {
        (row) throws(HostError) -> String in try row.value(0)
      }
      try loosenUploads(version: version.id, db)
      // Its gates go with a model's last version.
      if try db.versionCount(model) == 1 { try Self.checkMayChange(try db.gates(model), subject) }
      try db.run("DELETE FROM versions WHERE id = ?", version.id, doing: "purging a version")
      try db.run(
        "DELETE FROM models WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM versions WHERE model = ?1)", model,
        doing: "purging a model")
      try db.addHistory(subject.tenant, subject.model, Event("purge", version: label, by: subject.caller))
      return digests.compactMap { SHA256Digest($0) }
    }
    await delete(digests)
    await cleanStorage()
  }

  private func change(
    _ subject: Subject, _ label: String, _ action: String,
    _ change: @Sendable (Connection, Connection.Version) throws(HostError) -> Void
  ) async throws(HostError) {
    try await database.transaction { (db) throws(HostError) in
      let model = try db.modelID(subject.model, subject.tenant)
      try change(db, try db.version(label, of: subject.model, model))
      try db.addHistory(subject.tenant, subject.model, Event(action, version: label, by: subject.caller))
    }
    try await serve(subject.model, tenant: subject.tenant)
  }

  private static func checkUnused(
    _ version: Connection.Version, _ subject: Subject, _ db: Connection
  ) throws(HostError) {
    guard !version.stage.isPlace else {
      throw wrongStage(version, subject, "in \(version.stage.rawValue); promote another version first")
    }
    let alias = try db.first("SELECT alias FROM aliases WHERE version = ?", version.id) {
      (row) throws(HostError) -> String in try row.value(0)
    }
    if let alias { throw wrongStage(version, subject, "called '\(alias)'; move or remove that alias first") }
  }

  private static func wrongStage(_ version: Connection.Version, _ subject: Subject, _ what: String) -> HostError {
    HostError(.conflict, "version \(version.label) of model '\(subject.model)' is \(what)")
  }
}
