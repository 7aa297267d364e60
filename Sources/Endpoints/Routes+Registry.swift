import Admission
import Catalog
import Inference
import Serving
import Wire

/// What is registered, and its life.
///
///     GET    /v1/versions?model=&stage=&format=&tag=KEY=VALUE&limit=&cursor=
///     GET    /v1/models/NAME/versions, the same of one model
///     POST   /v1/models/NAME/versions  {"version": …, "files": [{"path": …, "upload": ID}], "settings", "tags", "metadata",
///                                    "parents": [{"model": …, "version": …} or {"sha256": …}]}
///     POST   /v1/models/NAME/versions  {"uri": "s3://…", "sha256": …, …}; answers 202 and a job
///     GET    /v1/models/NAME/versions/LABEL
///     GET    /v1/registry?limit=&cursor=  a summary per model;  /v1/models/NAME/summary  of one, with its statistics
///     POST   /v1/models/NAME/versions/LABEL/archive, restore, purge
///     PUT    /v1/models/NAME/versions/LABEL/deprecation  {"sinceMs", "sunsetMs", "successor", "reason"};  DELETE
///     POST   /v1/models/NAME/promote   {"version": …, "stage": "production"}
///     POST   /v1/models/NAME/rollback  {"stage": "production"}
///     PUT    /v1/models/NAME/aliases/ALIAS  {"version": …};  DELETE removes it
///     GET, PUT, DELETE /v1/models/NAME/gates  {"stages", "warmUp", "parity", "approver", "approval", "shapes"}
///     PUT    /v1/models/NAME/versions/LABEL/approvals/STAGE  {"note": …};  DELETE  ?caller=
///     GET    /v1/models/NAME/history?place=production&atMs=&limit=&cursor=
extension Routes {
  func respondRegistry(_ exchange: Exchange, _ method: HTTPMethod, _ path: [String]) async throws(HostError) {
    let catalog = try registry()
    let tenant = try exchange.tenant
    if method != .get { try exchange.caller.require(.publish) }
    guard path.count > 1 else {
      guard Self.allow(.get, method, exchange) else { return }
      return Self.answer(exchange, try await list(exchange, catalog, model: nil))
    }
    let subject = Subject(tenant: tenant, caller: exchange.author, role: exchange.caller.role, model: path[1])
    switch (path[2], path.count) {
    case ("versions", 3) where method == .get:
      Self.answer(exchange, try await list(exchange, catalog, model: path[1]))
    case ("versions", 3):
      guard Self.allow(.post, method, exchange) else { return }
      let (wanted, remote) = try registration(exchange, subject)
      if let remote { return accept(exchange, try await catalog.begin(remote)) }
      let label = try await catalog.register(wanted)
      Self.answer(exchange, try await catalog.version(label, of: path[1], tenant: tenant))
    case ("versions", 4):
      guard Self.allow(.get, method, exchange) else { return }
      Self.answer(exchange, try await version(path[3], subject, catalog))
    case ("summary", 3):
      guard Self.allow(.get, method, exchange) else { return }
      Self.answer(exchange, try await summary(subject, catalog))
    case ("versions", 5) where path[4] == "deprecation":
      try await deprecation(exchange, method, catalog, subject, path[3])
    case ("versions", 6) where path[4] == "approvals":
      try await approval(exchange, method, catalog, subject, path[3], path[5])
    case ("versions", 5):
      guard Self.allow(.post, method, exchange) else { return }
      try await change(exchange, catalog, subject, path[3], path[4])
    case ("promote", 3), ("rollback", 3):
      guard Self.allow(.post, method, exchange) else { return }
      try await place(exchange, catalog, subject, rollsBack: path[2] == "rollback")
    case ("gates", 3): try await gates(exchange, method, catalog, subject)
    case ("aliases", 4): try await alias(exchange, method, catalog, subject, path[3])
    case ("history", 3):
      guard Self.allow(.get, method, exchange) else { return }
      var query = try Self.query(exchange)
      let place = try query.text("place")
      let atMs = try query.number("atMs")
      let cursor = try query.number("cursor")
      let limit = try Self.limit(&query)
      try query.end()
      Self.answer(
        exchange,
        try await catalog.history(
          of: path[1], tenant: tenant, place: place, atMs: atMs, cursor: cursor, limit: limit))
    default: Self.refuseUnknown(exchange)
    }
  }

  private func list(_ exchange: Exchange, _ catalog: Catalog, model: String?) async throws(HostError) -> JSONValue {
    var query = try Self.query(exchange)
    var filter = Catalog.Filter()
    filter.model = try query.text("model") ?? model
    if let word = try query.text("stage") { filter.stage = try Self.stage(word) }
    filter.format = try query.text("format")
    if let tag = try query.text("tag") {
      let parts = tag.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { throw HostError(.invalidRequest, "'tag' must be KEY=VALUE, not \(tag.excerpt)") }
      filter.tag = (String(parts[0]), String(parts[1]))
    }
    filter.cursor = try query.number("cursor")
    filter.limit = try Self.limit(&query)
    try query.end()
    return try await catalog.versions(tenant: try exchange.tenant, filter)
  }

  /// - Returns: What is to be registered; and what is to be fetched for it, where its files are in storage.
  private func registration(
    _ exchange: Exchange, _ subject: Subject
  ) throws(HostError) -> (Registration, RemoteRegistration?) {
    var fields = try BodyFields(try Self.json(exchange) ?? .object([]))
    let label = try fields.text("version")
    let place = try Self.place(&fields)
    let list = place == nil ? fields.value("files")?.array : []
    guard let list else {
      throw HostError(.invalidRequest, "'files' must be an array of {\"path\": …, \"upload\": …}, or 'uri' be given")
    }
    var files: [Registration.File] = []
    for element in list {
      var file = try BodyFields(element)
      files.append(.init(path: try file.need("path"), upload: try file.need("upload")))
      try file.end()
    }
    var tags: [String: String] = [:]
    if let value = fields.value("tags") {
      for tag in try BodyFields.members(of: value, "tags") {
        guard let text = tag.value.string else {
          throw HostError(.invalidRequest, "tag '\(tag.key.excerpt)' must be a string, not \(tag.value.kindName)")
        }
        tags[tag.key] = text
      }
    }
    let metadata = fields.value("metadata")
    if let metadata { _ = try BodyFields.members(of: metadata, "metadata") }
    let settings = fields.value("settings")
    let parents = try Self.parents(&fields)
    try fields.end()
    let wanted = Registration(
      tenant: subject.tenant, caller: subject.caller, model: subject.model, label: label, files: files,
      settings: settings, tags: tags, metadata: metadata, parents: parents)
    return (wanted, place.map { RemoteRegistration(wanted, uri: $0.uri, digests: $0.digests) })
  }

  private static func parents(_ fields: inout BodyFields) throws(HostError) -> [Parent] {
    guard let value = fields.value("parents") else { return [] }
    guard let list = value.array else {
      throw HostError(.invalidRequest, "'parents' must be an array, not \(value.kindName)")
    }
    var parents: [Parent] = []
    for element in list {
      var parent = try BodyFields(element)
      if let digest = try parent.text("sha256") {
        parents.append(.content(digest))
      } else {
        parents.append(.version(model: try parent.need("model"), label: try parent.need("version")))
      }
      try parent.end()
    }
    return parents
  }

  private func change(
    _ exchange: Exchange, _ catalog: Catalog, _ subject: Subject, _ label: String, _ verb: String
  ) async throws(HostError) {
    switch verb {
    case "archive": try await catalog.archive(subject, label)
    case "restore": try await catalog.restore(subject, label)
    case "purge": try await catalog.purge(subject, label)
    default: return Self.refuseUnknown(exchange)
    }
    Self.answer(exchange, ["model": .string(subject.model), "version": .string(label), "done": .string(verb)])
  }

  private func place(
    _ exchange: Exchange, _ catalog: Catalog, _ subject: Subject, rollsBack: Bool
  ) async throws(HostError) {
    var fields = try BodyFields(try Self.json(exchange) ?? .object([]))
    let stage = try Self.stage(try fields.text("stage") ?? Stage.production.rawValue)
    var label = rollsBack ? "" : try fields.need("version")
    try fields.end()
    var replaced: String?
    if rollsBack {
      (label, replaced) = try await catalog.rollback(subject, at: stage)
    } else {
      replaced = try await catalog.promote(subject, label, to: stage)
    }
    var members: [JSONValue.Member] = [
      .init("model", .string(subject.model)), .init("version", .string(label)), .init("stage", .string(stage.rawValue)),
    ]
    if let replaced { members.append(.init("replaced", .string(replaced))) }
    Self.answer(exchange, .object(members))
  }

  private func alias(
    _ exchange: Exchange, _ method: HTTPMethod, _ catalog: Catalog, _ subject: Subject, _ alias: String
  ) async throws(HostError) {
    switch method {
    case .put:
      var fields = try BodyFields(try Self.json(exchange) ?? .object([]))
      let label = try fields.need("version")
      try fields.end()
      try await catalog.setAlias(subject, alias, to: label)
      Self.answer(
        exchange, ["model": .string(subject.model), "alias": .string(alias), "version": .string(label)])
    case .delete:
      try await catalog.removeAlias(subject, alias)
      Self.answer(exchange, ["model": .string(subject.model), "alias": .string(alias), "done": "removed"])
    default: Self.refuseMethod(exchange, allowed: "PUT, DELETE")
    }
  }

  // MARK: Words

  static func stage(_ word: String) throws(HostError) -> Stage {
    guard let stage = Stage(rawValue: word) else {
      let known = Stage.allCases.map(\.rawValue).joined(separator: ", ")
      throw HostError(.invalidRequest, "'\(word.excerpt)' is no stage; known are \(known)")
    }
    return stage
  }

  static func limit(_ query: inout BodyFields) throws(HostError) -> Int {
    let limit = try query.number("limit") ?? 100
    guard (1...Catalog.maxPage).contains(limit) else {
      throw HostError(.invalidRequest, "'limit' must be 1 to \(Catalog.maxPage), not \(limit)")
    }
    return limit
  }

  /// `key=value&…`, decoded, without the tenant.
  static func query(_ exchange: Exchange) throws(HostError) -> BodyFields {
    let buffer = ByteBuffer(capacity: 64)
    func decoded(_ part: Slice<UnsafeRawBufferPointer>) throws(HostError) -> String {
      switch PercentCoding.decode(UnsafeRawBufferPointer(rebasing: part), into: buffer) {
      case .plain: return String(decoding: part, as: UTF8.self)
      case .decoded: return buffer.string
      case .malformed, .forbidden:
        throw HostError(.invalidRequest, "the query has a broken percent escape, a NUL, a slash, or isn't UTF-8")
      }
    }
    var members: [JSONValue.Member] = []
    for pair in exchange.head.queryBytes.split(separator: UInt8(ascii: "&")) {
      let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      members.append(.init(try decoded(parts[0]), .string(parts.count > 1 ? try decoded(parts[1]) : "")))
    }
    return BodyFields(query: members.filter { $0.key != "tenant" })
  }
}
