import Inference
import Store
import Telemetry

/// What has happened to a model.
struct Event: Sendable {
  let action: String
  let place: String?
  let version: String?
  let replaced: String?
  let caller: Author
  /// What else people should know.
  let note: String?

  init(
    _ action: String, place: String? = nil, version: String? = nil, replaced: String? = nil, by caller: Author,
    note: String? = nil
  ) {
    self.action = action
    self.place = place
    self.version = version
    self.replaced = replaced
    self.caller = caller
    self.note = note
  }

  /// As the audit has it: `NAME:VERSION PLACE`.
  func subject(_ model: String) -> String {
    "\(model)\(version.map { ":\($0)" } ?? "")\(place.map { " \($0)" } ?? "")"
  }
}

extension Connection {
  struct Version {
    let id: Int
    let label: String
    let number: Int
    let stage: Stage
  }

  func modelIfThere(_ name: String, _ tenant: TenantID) throws(HostError) -> Int? {
    try first("SELECT id FROM models WHERE tenant = ? AND name = ?", tenant, name) {
      (row) throws(HostError) -> Int in try row.value(0)
    }
  }

  func modelID(_ name: String, _ tenant: TenantID) throws(HostError) -> Int {
    guard let id = try modelIfThere(name, tenant) else {
      throw HostError(.notFound, "model '\(name.excerpt)' is not registered")
    }
    return id
  }

  func versionIfThere(_ label: String, _ model: Int) throws(HostError) -> Version? {
    try version(where: "label = ?2", model, label)
  }

  func version(_ label: String, of name: String, _ model: Int) throws(HostError) -> Version {
    guard let version = try versionIfThere(label, model) else {
      throw HostError(.notFound, "model '\(name)' has no version '\(label.excerpt)'")
    }
    return version
  }

  func version(at stage: Stage, _ model: Int) throws(HostError) -> Version? {
    try version(where: "stage = ?2", model, stage.rawValue)
  }

  private func version(where condition: String, _ model: Int, _ value: String) throws(HostError) -> Version? {
    try first("SELECT id, label, number, stage FROM versions WHERE model = ?1 AND \(condition)", model, value) {
      (row) throws(HostError) -> Version in
      Version(
        id: try row.value(0), label: try row.value(1), number: try row.value(2),
        stage: Stage(rawValue: try row.value(3, as: String.self)) ?? .archived)
    }
  }

  func versionCount(_ model: Int) throws(HostError) -> Int {
    try first("SELECT count(*) FROM versions WHERE model = ?", model) {
      (row) throws(HostError) -> Int in try row.value(0)
    } ?? 0
  }

  func hasAlias(_ alias: String, _ model: Int) throws(HostError) -> Bool {
    try first("SELECT 1 FROM aliases WHERE model = ? AND alias = ?", model, alias) {
      (row) throws(HostError) -> Int in try row.value(0)
    } != nil
  }

  func setStage(_ stage: Stage, of version: Version) throws(HostError) {
    try run(
      "UPDATE versions SET stage = ? WHERE id = ?", stage.rawValue, version.id,
      doing: "moving version \(version.label) to \(stage.rawValue)")
  }

  func addHistory(_ tenant: TenantID, _ model: String, _ event: Event) throws(HostError) {
    try run(
      """
      INSERT INTO history (timeMs, tenant, model, action, place, version, replaced, caller, note)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      """, WallClock.nowMs, tenant, model, event.action, event.place, event.version, event.replaced, event.caller.name,
      event.note, doing: "writing history")
    try addAudit(event.caller, "model.\(event.action)", of: tenant.text, event.subject(model))
  }
}
