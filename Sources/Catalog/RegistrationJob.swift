import Admission
import Inference
package import Storage
import Store
import Telemetry
import Wire

/// A version to be registered whose bytes are to be fetched first.
package struct RemoteRegistration: Sendable {
  /// Without files.
  package let version: Registration
  package let uri: String
  /// SHA-256 that files must have, by their paths; `anyPath` stands for the only one.
  package let digests: [String: SHA256Digest]

  package static let anyPath = ""

  package init(_ version: Registration, uri: String, digests: [String: SHA256Digest]) {
    self.version = version
    self.uri = uri
    self.digests = digests
  }

  /// What a host that was ended needs to begin it anew.
  var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("uri", .string(uri)), .init("sha256", .object(digests.map { .init($0.key, .string($0.value.text)) })),
      .init("tags", .object(version.tags.map { .init($0.key, .string($0.value)) })),
    ]
    if let label = version.label { members.append(.init("version", .string(label))) }
    if let settings = version.settings { members.append(.init("settings", settings)) }
    if let metadata = version.metadata { members.append(.init("metadata", metadata)) }
    if !version.parents.isEmpty { members.append(.init("parents", .array(version.parents.map(\.json)))) }
    return .object(members)
  }
}

/// A registration that goes on after its request was answered, and after the host was ended.
struct RegistrationJob: Sendable {
  enum State: String, CaseIterable {
    case queued, running, done, failed, cancelled

    var isOver: Bool { self != .queued && self != .running }
  }

  let id: String
  let number: Int
  let wanted: RemoteRegistration
  let state: State
  let startCount: Int
  let createdMs: Int
  let endedMs: Int?
  let byteCount: Int?
  let label: String?
  let error: (message: String, code: String)?

  var isOver: Bool { state.isOver }

  static let columns = """
    id, number, tenant, createdMs, createdBy, model, request, state, startCount, endedMs, byteCount, label, error, code
    """

  init(_ row: Row) throws(HostError) {
    id = try row.value(0)
    number = try row.value(1)
    createdMs = try row.value(3)
    startCount = try row.value(8)
    state = State(rawValue: try row.value(7, as: String.self)) ?? .failed
    endedMs = try row.value(9)
    byteCount = try row.value(10)
    label = try row.value(11)
    let (message, code): (String?, String?) = (try row.value(12), try row.value(13))
    error = message.map { ($0, code ?? HostError.Code.internalError.rawValue) }
    guard let request = try? JSONValue(parsing: try row.value(6, as: String.self)) else {
      throw HostError(.storageCorrupt, "job \(id) can't be read")
    }
    var tags: [String: String] = [:]
    for tag in request["tags"]?.members ?? [] { tags[tag.key] = tag.value.string }
    var digests: [String: SHA256Digest] = [:]
    for digest in request["sha256"]?.members ?? [] { digests[digest.key] = SHA256Digest(digest.value.string ?? "") }
    let version = Registration(
      tenant: try row.tenant(2), caller: Author(try row.value(4), origin: "job \(id)", requestID: ""),
      model: try row.value(5), label: request["version"]?.string,
      files: [], settings: request["settings"], tags: tags, metadata: request["metadata"],
      parents: Parent.all(request["parents"]))
    wanted = RemoteRegistration(version, uri: request["uri"]?.string ?? "", digests: digests)
  }

  /// The version as it is registered in the end.
  func registration(of files: [Registration.File]) -> Registration {
    let wanted = wanted.version
    return Registration(
      tenant: wanted.tenant, caller: wanted.caller, model: wanted.model, label: wanted.label, files: files,
      settings: wanted.settings, tags: wanted.tags, metadata: wanted.metadata, parents: wanted.parents, job: id)
  }

  /// As clients see it.
  ///
  /// - Parameter fetch: Where it is under way.
  func json(_ fetch: Fetch?) -> JSONValue {
    // Registered for good, but done is what serves.
    let state = self.state == .done && fetch != nil ? State.running : self.state
    var members: [JSONValue.Member] = [
      .init("id", .string(id)), .init("kind", "register"), .init("state", .string(state.rawValue)),
      .init("model", .string(wanted.version.model)), .init("uri", .string(wanted.uri)),
      .init("createdMs", .integer(createdMs)), .init("createdBy", .string(wanted.version.caller.name)),
    ]
    if let label = label ?? wanted.version.label { members.append(.init("version", .string(label))) }
    if let endedMs, state != .running { members.append(.init("endedMs", .integer(endedMs))) }
    if let byteCount = byteCount ?? fetch?.byteCount { members.append(.init("bytes", .integer(byteCount))) }
    if let total = fetch?.totalBytes ?? (state == .done ? byteCount : nil) {
      members.append(.init("totalBytes", .integer(total)))
    }
    if state == .running { members.append(.init("step", fetch?.isWhole == true ? "loading" : "fetching")) }
    if let error { members.append(.init("error", ["error": .string(error.message), "code": .string(error.code)])) }
    return .object(members)
  }
}

extension Connection {
  func job(_ id: String) throws(HostError) -> RegistrationJob? {
    try first("SELECT \(RegistrationJob.columns) FROM jobs WHERE id = ?", id) {
      (row) throws(HostError) -> RegistrationJob in try RegistrationJob(row)
    }
  }

  /// It has become a version.
  ///
  /// - Throws: `.cancelled` where it isn't wanted any more.
  func end(_ job: String, label: String, byteCount: Int) throws(HostError) {
    let count = try run(
      "UPDATE jobs SET state = 'done', label = ?, byteCount = ?, endedMs = ? WHERE id = ? AND state = 'running'", label,
      byteCount, WallClock.nowMs, job, doing: "ending a job")
    guard count == 1 else { throw HostError(.cancelled, "job \(job) was cancelled") }
  }

  /// It came to nothing.
  ///
  /// - Returns: False where it is over already.
  @discardableResult
  func end(
    _ job: String, as state: RegistrationJob.State, _ error: HostError, byteCount: Int = 0
  ) throws(HostError) -> Bool {
    try run(
      """
      UPDATE jobs SET state = ?, error = ?, code = ?, byteCount = ?, endedMs = ?
      WHERE id = ? AND state IN ('queued', 'running')
      """, state.rawValue, error.description, error.code.rawValue, byteCount, WallClock.nowMs, job,
      doing: "ending a job") == 1
  }

  /// Notes where fetched files came from.
  func addOrigins(_ wanted: Registration, version: Int) throws(HostError) {
    for file in wanted.files {
      guard let fetched = file.fetched else { continue }
      try run(
        "INSERT INTO origins (version, path, uri) VALUES (?, ?, ?)", version, file.path, fetched.uri,
        doing: "registering files")
    }
  }
}
