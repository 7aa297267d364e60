import Admission
import Inference
import Routing
import Serving
import Store
import Wire

/// Who may call. Admins of a tenant see and change its keys; those of the default tenant everything.
///
///     GET    /v1/tenants?limit=&cursor=
///     POST   /v1/tenants                        {"id": …}
///     DELETE /v1/tenants/ID
///     POST   /v1/tenants/ID/users               {"uid" or "gid": N, "role": "infer"}
///     DELETE /v1/tenants/ID/users/uid/N, …/gid/N
///     GET    /v1/keys?tenant=&state=&role=&limit=&cursor=
///     POST   /v1/keys                           {"tenant", "role": "infer", "label", "expiresInSeconds"}
///     POST   /v1/keys/ID/rotate                 {"overlapSeconds": 86400}
///     DELETE /v1/keys/ID
///     GET    /v1/audit?tenant=&action=&caller=&fromMs=&toMs=&limit=&cursor=
extension Routes {
  func respondTenants(_ exchange: Exchange, _ method: HTTPMethod, _ path: [String]) async throws(HostError) {
    guard let tenants else {
      throw HostError(.notOffered, "this host keeps no tenants; start it with --data DIR (data.folder)")
    }
    try exchange.caller.require(.admin)
    switch (path[0], path.count) {
    case ("tenants", 1) where method == .get:
      var query = try Self.query(exchange)
      let (cursor, limit) = (try query.text("cursor"), try Self.limit(&query))
      try query.end()
      let only = exchange.caller.isOperator ? nil : exchange.caller.tenant
      let (page, next) = try await tenants.page(only: only, after: cursor, limit: limit)
      Self.answer(exchange, "tenants", page.map { tenant($0) }, next: next)
    case ("tenants", _):
      try exchange.caller.requireOperator()
      try await changeTenants(exchange, method, Array(path.dropFirst()), tenants)
    case ("keys", 1) where method == .get:
      let (page, next) = try await tenants.keys(try keyFilter(exchange))
      Self.answer(exchange, "keys", page.map { .object(key($0)) }, next: next?.text)
    case ("keys", 1):
      if Self.allow(.post, method, exchange) { answer(exchange, try await addKey(exchange, tenants)) }
    case ("keys", 2):
      guard method == .delete else { return Self.refuseMethod(exchange, allowed: "DELETE") }
      try await tenants.revokeKey(path[1], of: try scope(exchange), by: exchange.author)
      Self.answer(exchange, ["id": .string(path[1])])
    case ("keys", 3) where path[2] == "rotate":
      guard Self.allow(.post, method, exchange) else { return }
      var body = try BodyFields(try Self.json(exchange) ?? .object([]))
      let overlap = try seconds(&body, "overlapSeconds", from: 0) ?? 86_400
      try body.end()
      let scope = try scope(exchange)
      answer(
        exchange, try await tenants.rotateKey(path[1], of: scope, overlapSeconds: overlap, by: exchange.author))
    case ("audit", 1):
      guard Self.allow(.get, method, exchange) else { return }
      let (page, next) = try await tenants.audit(try auditFilter(exchange))
      Self.answer(exchange, "entries", page.map { entry($0) }, next: next.map { String($0) })
    default: Self.refuseUnknown(exchange)
    }
  }

  /// - Parameter path: Behind `/v1/tenants`.
  private func changeTenants(
    _ exchange: Exchange, _ method: HTTPMethod, _ path: [String], _ tenants: Tenants
  ) async throws(HostError) {
    switch (path.count, method) {
    case (0, .post):
      var body = try BodyFields(try Self.json(exchange) ?? .object([]))
      let id = try tenantID(try body.need("id"))
      try body.end()
      try await tenants.add(id, by: exchange.author)
      await router.serve { tenants.known }
      Self.answer(exchange, ["id": .string(id.text)])
    case (0, _): Self.refuseMethod(exchange, allowed: "GET, HEAD, POST")
    case (1, .delete):
      let id = try tenantID(path[0])
      try await tenants.remove(id, by: exchange.author)
      await router.serve { tenants.known }
      Self.answer(exchange, ["id": .string(id.text)])
    case (1, _): Self.refuseMethod(exchange, allowed: "DELETE")
    case (2, .post) where path[1] == "users":
      var body = try BodyFields(try Self.json(exchange) ?? .object([]))
      let ((kind, number), role) = (try user(&body), try role(&body))
      try body.end()
      let id = try tenantID(path[0])
      try await tenants.map(kind, number, to: id, as: role, by: exchange.author)
      Self.answer(
        exchange, ["tenant": .string(id.text), kind.rawValue: .integer(number), "role": .string(role.rawValue)])
    case (4, .delete) where path[1] == "users":
      guard let kind = UserFacts.Kind(rawValue: path[2]), let number = UInt32(path[3]) else {
        throw HostError(
          .invalidRequest, "users are uid/NUMBER or gid/NUMBER, not \(path[2].excerpt)/\(path[3].excerpt)")
      }
      let id = try tenantID(path[0])
      try await tenants.unmap(kind, number, from: id, by: exchange.author)
      Self.answer(exchange, ["tenant": .string(id.text), kind.rawValue: .integer(number)])
    default: Self.refuseUnknown(exchange)
    }
  }

  private func addKey(_ exchange: Exchange, _ tenants: Tenants) async throws(HostError) -> Tenants.NewKey {
    var body = try BodyFields(try Self.json(exchange) ?? .object([]))
    let id = try body.text("tenant").map(tenantID) ?? exchange.caller.tenant
    if id != exchange.caller.tenant { try exchange.caller.requireOperator() }
    let role = try role(&body)
    let label = try body.text("label") ?? ""
    guard label.utf8.count <= 255 else { throw HostError(.invalidRequest, "'label' has over 255 bytes") }
    let seconds = try seconds(&body, "expiresInSeconds", from: 1)
    try body.end()
    return try await tenants.addKey(to: id, as: role, label: label, expiringIn: seconds, by: exchange.author)
  }

  /// Whose keys, entries and counts a caller sees: for operators those of all, or of the one that `?tenant=` names.
  func scope(_ exchange: Exchange) throws(HostError) -> TenantID? {
    let isNamed = String(decoding: exchange.head.queryBytes, as: UTF8.self).contains("tenant=")
    return exchange.caller.isOperator && !isNamed ? nil : try exchange.tenant
  }

  // MARK: What comes in

  private func keyFilter(_ exchange: Exchange) throws(HostError) -> Tenants.KeyFilter {
    var query = try Self.query(exchange)
    var filter = Tenants.KeyFilter()
    filter.tenant = try scope(exchange)
    if let word = try query.text("state") {
      guard let state = KeyState(rawValue: word) else {
        throw HostError(.invalidRequest, "'state' must be valid, expired or revoked, not '\(word.excerpt)'")
      }
      filter.state = state
    }
    if let word = try query.text("role") { filter.role = try role(word) }
    filter.cursor = try query.text("cursor").map { (text) throws(HostError) in try ListCursor(text) }
    filter.limit = try Self.limit(&query)
    try query.end()
    return filter
  }

  private func auditFilter(_ exchange: Exchange) throws(HostError) -> Tenants.AuditFilter {
    var query = try Self.query(exchange)
    var filter = Tenants.AuditFilter()
    filter.tenant = try scope(exchange)
    filter.action = try query.text("action")
    filter.caller = try query.text("caller")
    filter.fromMs = try query.number("fromMs")
    filter.toMs = try query.number("toMs")
    filter.cursor = try query.number("cursor")
    filter.limit = try Self.limit(&query)
    try query.end()
    return filter
  }

  private func tenantID(_ text: String) throws(HostError) -> TenantID {
    guard let tenant = TenantID(text) else {
      throw HostError(
        .invalidRequest, "'\(text.excerpt)' is no tenant's name: 1 to 63 of a-z, 0-9 and '-', the first no '-'")
    }
    return tenant
  }

  private func role(_ body: inout BodyFields) throws(HostError) -> Role {
    try role(try body.text("role") ?? Role.infer.rawValue)
  }

  private func role(_ word: String) throws(HostError) -> Role {
    guard let role = Role(rawValue: word) else {
      throw HostError(.invalidRequest, "'role' must be infer, publish or admin, not '\(word.excerpt)'")
    }
    return role
  }

  private func user(_ body: inout BodyFields) throws(HostError) -> (UserFacts.Kind, UInt32) {
    let (uid, gid) = (try body.number("uid"), try body.number("gid"))
    // The last number means nobody.
    guard (uid == nil) != (gid == nil), let number = UInt32(exactly: uid ?? gid ?? 0), number != .max else {
      throw HostError(.invalidRequest, "the body needs either 'uid' or 'gid', a number below 4294967295")
    }
    return (uid == nil ? .gid : .uid, number)
  }

  /// Up to a century.
  private func seconds(_ body: inout BodyFields, _ key: String, from least: Int) throws(HostError) -> Int? {
    guard let seconds = try body.number(key) else { return nil }
    guard (least...3_155_760_000).contains(seconds) else {
      throw HostError(.invalidRequest, "'\(key)' must be a number of seconds from \(least) to 3155760000")
    }
    return seconds
  }

  // MARK: What goes out

  private func tenant(_ facts: TenantFacts) -> JSONValue {
    let users: [JSONValue] = facts.users.map {
      [$0.kind.rawValue: .integer($0.number), "role": .string($0.role.rawValue)]
    }
    return [
      "id": .string(facts.id.text), "createdMs": .integer(facts.createdMs), "keys": .integer(facts.keyCount),
      "users": .array(users),
    ]
  }

  /// The one time that a key is shown.
  private func answer(_ exchange: Exchange, _ made: Tenants.NewKey) {
    exchange.addHeader("Cache-Control", "no-store")
    Self.answer(exchange, .object(key(made.facts) + [.init("key", .string(made.key))]))
  }

  private func key(_ facts: KeyFacts) -> [JSONValue.Member] {
    [
      .init("id", .string(facts.id)), .init("tenant", .string(facts.tenant.text)),
      .init("role", .string(facts.role.rawValue)), .init("label", .string(facts.label)),
      .init("state", .string(facts.state.rawValue)), .init("createdMs", .integer(facts.createdMs)),
      .init("expiresMs", facts.expiresMs.map { .integer($0) } ?? .null),
      .init("revokedMs", facts.revokedMs.map { .integer($0) } ?? .null),
    ]
  }

  private func entry(_ entry: AuditEntry) -> JSONValue {
    [
      "number": .integer(entry.number), "timeMs": .integer(entry.timeMs), "tenant": .string(entry.tenant),
      "caller": .string(entry.caller), "origin": .string(entry.origin), "action": .string(entry.action),
      "subject": .string(entry.subject), "requestId": .string(entry.requestID), "count": .integer(entry.count),
      "sinceMs": entry.sinceMs.map { .integer($0) } ?? .null,
    ]
  }
}
