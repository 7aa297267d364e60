package import Inference
import Store
import Telemetry

/// Versions that are still served, with a word of warning.
extension Catalog {
  /// Deprecates a version, or says anew since when and what follows it.
  ///
  /// - Throws: `.notFound` for a successor that isn't registered; `.conflict` for one that is archived, or the version.
  package func deprecate(_ subject: Subject, _ label: String, _ wanted: Deprecation) async throws(HostError) {
    try await database.transaction { (db) throws(HostError) in
      let id = try db.modelID(subject.model, subject.tenant)
      let version = try db.version(label, of: subject.model, id)
      if let successor = wanted.successor {
        let model = successor.model ?? subject.model
        let next = try db.version(successor.label, of: model, try db.modelID(model, subject.tenant))
        guard next.id != version.id, next.stage != .archived else {
          let problem = next.id == version.id ? "can't follow itself" : "is archived; restore it first"
          throw HostError(.conflict, "version \(next.label) of model '\(model)' \(problem)")
        }
      }
      try db.run(
        "INSERT OR REPLACE INTO deprecations (version, model, \(Deprecation.columns)) VALUES (?, ?, ?, ?, ?, ?, ?)",
        version.id, id, wanted.sinceMs, wanted.sunsetMs, wanted.successor?.model, wanted.successor?.label,
        wanted.reason,
        doing: "deprecating a version")
      try db.addHistory(
        subject.tenant, subject.model,
        Event("deprecate", version: label, by: subject.caller, note: Self.words(of: wanted)))
    }
    try await serve(subject.model, tenant: subject.tenant)
  }

  /// Takes a deprecation back.
  package func undeprecate(_ subject: Subject, _ label: String) async throws(HostError) {
    try await database.transaction { (db) throws(HostError) in
      let version = try db.version(label, of: subject.model, try db.modelID(subject.model, subject.tenant))
      guard try db.run("DELETE FROM deprecations WHERE version = ?", version.id) == 1 else {
        throw HostError(.conflict, "version \(label) of model '\(subject.model)' isn't deprecated")
      }
      try db.addHistory(subject.tenant, subject.model, Event("undeprecate", version: label, by: subject.caller))
    }
    try await serve(subject.model, tenant: subject.tenant)
  }

  private static func words(of wanted: Deprecation) -> String {
    var words = ["since \(WallClock.text(ms: wanted.sinceMs))"]
    if let sunsetMs = wanted.sunsetMs { words.append("until \(WallClock.text(ms: sunsetMs))") }
    if let successor = wanted.successor {
      words.append("followed by \(successor.model.map { "\($0):" } ?? "")\(successor.label)")
    }
    if let reason = wanted.reason { words.append(reason) }
    return words.joined(separator: ", ")
  }
}
