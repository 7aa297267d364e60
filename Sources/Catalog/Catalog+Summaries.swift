package import Inference
import Store
package import Wire

/// Models at a glance.
extension Catalog {
  /// A page of a tenant's models, by name, and where the next one starts.
  ///
  /// - Parameter cursor: The last name of the page before.
  package func summaries(tenant: TenantID, after cursor: String?, limit: Int) async throws(HostError) -> JSONValue {
    try await database.read { (db) throws(HostError) in
      let rows = try db.all(
        "SELECT id, name, createdMs FROM models WHERE tenant = ? AND name > ? ORDER BY name LIMIT ?", tenant,
        cursor ?? "", limit + 1
      ) { (row) throws(HostError) -> Model in
        Model(id: try row.value(0), name: try row.value(1), createdMs: try row.value(2))
      }
      let page = rows.prefix(limit)
      var summaries: [JSONValue] = []
      for model in page { summaries.append(.object(try Self.summary(model, db))) }
      var members: [JSONValue.Member] = [.init("models", .array(summaries))]
      if rows.count > limit, let last = page.last { members.append(.init("next", .string(last.name))) }
      return .object(members)
    }
  }

  /// One of them, with its gates.
  package func summary(of name: String, tenant: TenantID) async throws(HostError) -> JSONValue {
    try await database.read { (db) throws(HostError) in
      let id = try db.modelID(name, tenant)
      let createdMs = try db.first("SELECT createdMs FROM models WHERE id = ?", id) {
        (row) throws(HostError) -> Int in try row.value(0)
      }
      let members = try Self.summary(Model(id: id, name: name, createdMs: createdMs ?? 0), db)
      return .object(members + [.init("gates", try db.gates(id).json)])
    }
  }

  private struct Model {
    let id: Int
    let name: String
    let createdMs: Int
  }

  private static func summary(_ model: Model, _ db: Connection) throws(HostError) -> [JSONValue.Member] {
    var byteCount = 0
    let stages = try db.all(
      "SELECT stage, count(*), sum(byteCount) FROM versions INDEXED BY versionsOfModelStage WHERE model = ? GROUP BY stage",
      model.id
    ) { (row) throws(HostError) -> JSONValue.Member in
      byteCount += try row.value(2)
      return .init(try row.value(0), .integer(try row.value(1, as: Int.self)))
    }
    var members: [JSONValue.Member] = [
      .init("model", .string(model.name)), .init("createdMs", .integer(model.createdMs)),
      .init("versions", .object(stages)), .init("bytes", .integer(byteCount)),
    ]
    for stage in [Stage.production, .staging] {
      if let version = try db.version(at: stage, model.id) {
        members.append(.init(stage.rawValue, .string(version.label)))
      }
    }
    let latest = try db.first("SELECT label FROM versions WHERE id = (\(ServingPlan.latestID))", model.id) {
      (row) throws(HostError) -> String in try row.value(0)
    }
    if let latest { members.append(.init(VersionWords.latest, .string(latest))) }
    let aliases = try db.all(
      """
      SELECT alias, label FROM aliases JOIN versions ON versions.id = aliases.version
      WHERE aliases.model = ? ORDER BY alias
      """, model.id
    ) { (row) throws(HostError) -> JSONValue.Member in
      .init(try row.value(0), .string(try row.value(1, as: String.self)))
    }
    let deprecated = try db.first("SELECT count(*) FROM deprecations WHERE model = ?", model.id) {
      (row) throws(HostError) -> Int in try row.value(0)
    }
    return members + [.init("aliases", .object(aliases)), .init("deprecated", .integer(deprecated ?? 0))]
  }
}
