package import Admission
package import Inference
import Routing
package import Store
import Telemetry

/// Who asks for a change, and of which model.
package struct Subject: Sendable {
  package let tenant: TenantID
  package let caller: Author
  package let role: Role
  package let model: String

  package init(tenant: TenantID, caller: Author, role: Role, model: String) {
    self.tenant = tenant
    self.caller = caller
    self.role = role
    self.model = model
  }
}

/// Stages and aliases: which version stands where.
extension Catalog {
  /// Puts a version where another one stands, which stays registered and is what `rollback` brings back.
  ///
  /// It passes the model's gates first, and is loaded: one that can't be served changes nothing, and no request misses
  /// it.
  /// - Returns: The label of what it has replaced.
  @discardableResult
  package func promote(_ subject: Subject, _ label: String, to stage: Stage) async throws(HostError) -> String? {
    guard stage != .archived else {
      throw HostError(.invalidRequest, "nothing is promoted to archived; archive the version")
    }
    let passed = try await pass(subject, label, to: stage)
    return try await place(subject, label, "promote", at: stage, passed) { (_, _) throws(HostError) in label }
  }

  /// Brings back what stood at a stage before the version that stands there now was promoted. It has passed the gates
  /// once and isn't held up by them now.
  ///
  /// - Returns: The labels of what stands there now, and before.
  package func rollback(_ subject: Subject, at stage: Stage) async throws(HostError) -> (now: String, before: String) {
    guard stage.isPlace else {
      throw HostError(.invalidRequest, "only staging and production can be rolled back, not \(stage.rawValue)")
    }
    let label = try await database.read { (db) throws(HostError) in
      try Self.former(subject, at: stage, db)
    }
    let before = try await place(subject, label, "rollback", at: stage) { (db, _) throws(HostError) in
      try Self.former(subject, at: stage, db)
    }
    return (label, before ?? "")
  }

  /// What stood at a stage before the version that stands there came.
  private static func former(_ subject: Subject, at stage: Stage, _ db: Connection) throws(HostError) -> String {
    let model = try db.modelID(subject.model, subject.tenant)
    guard let present = try db.version(at: stage, model) else {
      throw HostError(.conflict, "model '\(subject.model)' has no version in \(stage.rawValue) to go back from")
    }
    let former =
      try db.first(
        """
        SELECT replaced FROM history WHERE tenant = ? AND model = ? AND place = ? AND version = ? AND action = 'promote'
        ORDER BY number DESC LIMIT 1
        """, subject.tenant, subject.model, stage.rawValue, present.label
      ) { (row) throws(HostError) -> String? in try row.value(0) } ?? nil
    guard let former else {
      throw HostError(
        .conflict,
        "version \(present.label) of model '\(subject.model)' is the first in \(stage.rawValue): there is "
          + "nothing to go back to")
    }
    return former
  }

  /// - Parameter choice: The label that must still be the one to be placed when the transaction runs.
  private func place(
    _ subject: Subject, _ label: String, _ action: String, at stage: Stage, _ passed: Passed? = nil,
    choice: @Sendable (Connection, Int) throws(HostError) -> String
  ) async throws(HostError) -> String? {
    try await warmUp(subject, label)
    let replaced = try await database.transaction { (db) throws(HostError) -> String? in
      let model = try db.modelID(subject.model, subject.tenant)
      guard try choice(db, model) == label else {
        throw HostError(.conflict, "somebody else has changed \(stage.rawValue) of '\(subject.model)'; look again")
      }
      let version = try db.version(label, of: subject.model, model)
      try Self.checkLive(version, subject)
      let former = stage.isPlace ? try db.version(at: stage, model) : nil
      guard former?.id != version.id else { return label }
      let note = try passed?.check(version, subject, model, former?.label, db)
      if let former { try db.setStage(.development, of: former) }
      try db.setStage(stage, of: version)
      if version.stage.isPlace {
        // Nothing stands there from now on.
        try db.addHistory(
          subject.tenant, subject.model,
          Event("leave", place: version.stage.rawValue, replaced: label, by: subject.caller))
      }
      try db.addHistory(
        subject.tenant, subject.model,
        Event(
          action, place: stage.rawValue, version: label, replaced: former?.label, by: subject.caller,
          note: note ?? nil))
      return former?.label
    }
    Log.info(
      "\(action) of a model", ("model", subject.model), ("version", label), ("stage", stage.rawValue),
      ("replaced", replaced ?? ""))
    try await serve(subject.model, tenant: subject.tenant)
    return replaced
  }

  /// Gives a version a further name, or the name another version has.
  package func setAlias(_ subject: Subject, _ alias: String, to label: String) async throws(HostError) {
    guard VersionWords.isWord(alias), alias.utf8.contains(where: { !(48...57).contains($0) }) else {
      throw HostError(
        .invalidRequest,
        "'\(alias.excerpt)' can't be an alias: 1 to 128 letters, digits and . _ + - are wanted, not "
          + "digits alone")
    }
    guard !VersionWords.reserved.contains(alias) else {
      throw HostError(.invalidRequest, "'\(alias)' can't be an alias: the word means a stage or the newest version")
    }
    try await warmUp(subject, label)
    try await database.transaction { (db) throws(HostError) in
      let model = try db.modelID(subject.model, subject.tenant)
      guard try db.versionIfThere(alias, model) == nil else {
        throw HostError(.conflict, "'\(alias)' is a version of model '\(subject.model)'; choose another alias")
      }
      let version = try db.version(label, of: subject.model, model)
      try Self.checkLive(version, subject)
      let former = try Self.labelOf(alias, model, db)
      try db.run(
        "INSERT INTO aliases VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version", model, alias,
        version.id, doing: "setting an alias")
      try db.addHistory(
        subject.tenant, subject.model,
        Event("alias", place: alias, version: label, replaced: former, by: subject.caller))
    }
    try await serve(subject.model, tenant: subject.tenant)
  }

  package func removeAlias(_ subject: Subject, _ alias: String) async throws(HostError) {
    try await database.transaction { (db) throws(HostError) in
      let model = try db.modelID(subject.model, subject.tenant)
      guard let former = try Self.labelOf(alias, model, db) else {
        throw HostError(.notFound, "model '\(subject.model)' has no alias '\(alias.excerpt)'")
      }
      try db.run("DELETE FROM aliases WHERE model = ? AND alias = ?", model, alias, doing: "removing an alias")
      try db.addHistory(
        subject.tenant, subject.model, Event("unalias", place: alias, replaced: former, by: subject.caller))
    }
    try await serve(subject.model, tenant: subject.tenant)
  }

  private static func labelOf(_ alias: String, _ model: Int, _ db: Connection) throws(HostError) -> String? {
    try db.first(
      """
      SELECT versions.label FROM aliases JOIN versions ON versions.id = aliases.version
      WHERE aliases.model = ? AND alias = ?
      """, model, alias
    ) { (row) throws(HostError) -> String in try row.value(0) }
  }

  static func checkLive(_ version: Connection.Version, _ subject: Subject) throws(HostError) {
    guard version.stage != .archived else {
      throw HostError(.conflict, "version \(version.label) of model '\(subject.model)' is archived; restore it first")
    }
  }

  // MARK: Serving

  /// Has the router serve what the database says, now that it has changed.
  func serve(_ model: String, tenant: TenantID, also: String? = nil) async throws(HostError) {
    let plan = try await database.read { (db) throws(HostError) in
      try ServingPlan.of(model, tenant: tenant, also: also, db)
    }
    let key = ModelKey.text(tenant, model)
    guard let plan else {
      await router.serve(key, as: nil)
      return try await folder.remove(model, of: tenant)
    }
    let isShown = try await withContent(of: plan) { () async throws(HostError) in try await folder.show(plan) }
    if isShown { await router.serve(key, as: plan.registered) }
    await trimCache()
  }

  /// Has a version served that nothing names yet.
  ///
  /// - Throws: Why it can't be.
  private func warmUp(_ subject: Subject, _ label: String) async throws(HostError) {
    let version = try await database.read { (db) throws(HostError) in
      let model = try db.modelID(subject.model, subject.tenant)
      let version = try db.version(label, of: subject.model, model)
      try Self.checkLive(version, subject)
      return version.number
    }
    try await serve(subject.model, tenant: subject.tenant, also: label)
    guard let reason = await router.reason(ModelKey.text(subject.tenant, subject.model), version) else { return }
    throw HostError(
      .conflict, "version \(label) of model '\(subject.model)' can't be served, so nothing has changed: \(reason)")
  }
}
