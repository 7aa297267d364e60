import Admission
package import Inference
import Store
import Telemetry
import Wire

/// Approvals of a version for a stage: of its content as it is, until they are withdrawn or the version is purged.
extension Catalog {
  private static let maxNoteBytes = 1024

  /// - Parameter note: For the history and whoever looks at the version; 1024 bytes at most.
  package func approve(_ subject: Subject, _ label: String, for stage: Stage, note: String?) async throws(HostError) {
    try Self.checkPlace(stage)
    guard note?.utf8.count ?? 0 <= Self.maxNoteBytes else {
      throw HostError(.invalidRequest, "'note' has over \(Self.maxNoteBytes) bytes")
    }
    try await database.transaction { (db) throws(HostError) in
      let version = try db.version(label, of: subject.model, try db.modelID(subject.model, subject.tenant))
      try Self.checkLive(version, subject)
      try db.run(
        """
        INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
        SET role = excluded.role, timeMs = excluded.timeMs, note = excluded.note
        """, version.id, stage.rawValue, subject.caller.name, subject.role.rawValue, WallClock.nowMs, note,
        doing: "approving a version")
      let text = "as \(subject.role.rawValue)" + (note.map { ": \($0)" } ?? "")
      try db.addHistory(
        subject.tenant, subject.model,
        Event("approve", place: stage.rawValue, version: label, by: subject.caller, note: text))
    }
  }

  /// Takes an approval back. What was promoted by it stays where it is.
  ///
  /// - Parameter caller: Whose; an admin may take back anybody's.
  package func unapprove(
    _ subject: Subject, _ label: String, for stage: Stage, of caller: String?
  ) async throws(HostError) {
    try Self.checkPlace(stage)
    let caller = caller ?? subject.caller.name
    guard caller == subject.caller.name || subject.role >= .admin else {
      throw HostError(
        .forbidden,
        "the approval of somebody else is for an admin to take back, the caller is \(subject.role.rawValue)",
        details: ["role": .string(Role.admin.rawValue)])
    }
    try await database.transaction { (db) throws(HostError) in
      let version = try db.version(label, of: subject.model, try db.modelID(subject.model, subject.tenant))
      let count = try db.run(
        "DELETE FROM approvals WHERE version = ? AND stage = ? AND caller = ?", version.id, stage.rawValue, caller,
        doing: "taking an approval back")
      guard count == 1 else {
        throw HostError(
          .notFound,
          "\(caller.excerpt) hasn't approved version \(label) of model '\(subject.model)' for \(stage.rawValue)")
      }
      try db.addHistory(
        subject.tenant, subject.model,
        Event("unapprove", place: stage.rawValue, version: label, by: subject.caller, note: "of \(caller)"))
    }
  }

  private static func checkPlace(_ stage: Stage) throws(HostError) {
    guard stage.isPlace else {
      throw HostError(.invalidRequest, "versions are approved for staging and production, not for \(stage.rawValue)")
    }
  }
}
