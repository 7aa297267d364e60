import Inference
import Routing
import Store

/// Which versions of a model are to be served, and what requests may call them: read from the database in one go.
struct ServingPlan: Sendable {
  struct File: Sendable {
    let path: String
    let sha256: String
  }

  let tenant: TenantID
  let name: String
  /// Where the router has it.
  var key: String { ModelKey.text(tenant, name) }
  /// Grows with each change of the model: of two plans the higher is the newer.
  let revision: Int
  let settings: String
  let registered: RegisteredModel
  /// By version number; those that requests can name, and nothing else.
  let versions: [Int: [File]]

  private struct Version {
    let id: Int
    let label: String
    let number: Int
    let stage: String
  }

  /// - Parameter also: The label of a version that is to be served although nothing names it yet.
  /// - Returns: Nil where there is no such model, or nothing of it to serve.
  static func of(_ model: String, tenant: TenantID, also: String? = nil, _ db: Connection) throws(HostError)
    -> ServingPlan?
  {
    let head = try db.first("SELECT id, settings FROM models WHERE tenant = ? AND name = ?", tenant, model) {
      (row) throws(HostError) -> (id: Int, settings: String) in (try row.value(0), try row.value(1))
    }
    guard let head else { return nil }
    let all = try db.all(
      """
      SELECT id, label, number, stage FROM versions
      WHERE model = ? AND (stage IN ('staging', 'production') OR label = ?
        OR id IN (SELECT version FROM aliases WHERE model = ?) OR id = (\(latestID)))
      """, head.id, also, head.id, head.id
    ) { (row) throws(HostError) -> Version in
      Version(id: try row.value(0), label: try row.value(1), number: try row.value(2), stage: try row.value(3))
    }
    guard !all.isEmpty else { return nil }
    let latest = try db.first(latestID, head.id) { (row) throws(HostError) -> Int in try row.value(0) }
    let aliases = try db.all("SELECT alias, version FROM aliases WHERE model = ?", head.id) {
      (row) throws(HostError) -> (alias: String, id: Int) in (try row.value(0), try row.value(1))
    }
    var words: [RegisteredModel.Word] = []
    var labels: [Int: String] = [:]
    var versions: [Int: [File]] = [:]
    var production: Int?
    var newest: Int?
    for version in all {
      if String(version.number) != version.label {
        words.append(.init(version.label, version.number))
        labels[version.number] = version.label
      }
      if Stage(rawValue: version.stage)?.isPlace == true { words.append(.init(version.stage, version.number)) }
      if version.stage == Stage.production.rawValue { production = version.number }
      if version.id == latest {
        newest = version.number
        words.append(.init(VersionWords.latest, version.number))
      }
      for alias in aliases where alias.id == version.id { words.append(.init(alias.alias, version.number)) }
      versions[version.number] = try db.all("SELECT path, sha256 FROM files WHERE version = ?", version.id) {
        (row) throws(HostError) -> File in File(path: try row.value(0), sha256: try row.value(1))
      }
    }
    let revision = try db.first("SELECT max(number) FROM history WHERE tenant = ? AND model = ?", tenant, model) {
      (row) throws(HostError) -> Int in try row.value(0)
    }
    return ServingPlan(
      tenant: tenant, name: model, revision: revision ?? 0, settings: head.settings,
      registered: RegisteredModel(preferred: production ?? newest, words: words, labels: labels), versions: versions)
  }

  static func all(_ db: Connection) throws(HostError) -> [ServingPlan] {
    let names = try db.all("SELECT name, tenant FROM models") {
      (row) throws(HostError) -> (name: String, tenant: TenantID) in
      (try row.value(0), try row.value(1))
    }
    var plans: [ServingPlan] = []
    for each in names { if let plan = try of(each.name, tenant: each.tenant, db) { plans.append(plan) } }
    return plans
  }

  /// The highest number; among labels that aren't numbers, and only if there is no number, the last that came.
  static let latestID = """
    SELECT id FROM versions WHERE model = ? AND stage <> 'archived'
    ORDER BY number >= \(VersionWords.firstOther), number DESC LIMIT 1
    """
}
