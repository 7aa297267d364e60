import Admission
import Inference
import Routing
import Serving
import Wire

/// `/v1/tenants`, `/v1/keys`, `/v1/audit`: who may call. Admins of a tenant see and change its keys; those of the
/// default tenant everything.
extension Routes {
  func respondTenants(_ exchange: Exchange, _ method: HTTPMethod, _ path: [String]) async throws(HostError) {
    guard let tenants else {
      throw HostError(.notOffered, "this host has no database; start it with `stadion serve --data DIR`")
    }
    let caller = exchange.caller
    try caller.require(.admin)
    let author = exchange.author
    switch (path[0], path.count, method) {
    case ("tenants", 1, .get):
      let all = try await tenants.all().filter { caller.isOperator || $0.id == caller.tenant }
      Self.answer(exchange, ["tenants": .array(all.map { tenant($0) })])
    case ("tenants", 1, .post):
      try caller.requireOperator()
      let id = try tenantID(try body(exchange)["id"]?.string ?? "")
      try await tenants.add(id, by: author)
      await router.serve(tenants.known)
      Self.answer(exchange, ["id": .string(id.text)])
    case ("tenants", 2, .delete):
      try caller.requireOperator()
      let id = try tenantID(path[1])
      try await tenants.remove(id, by: author)
      await router.serve(tenants.known)
      Self.answer(exchange, ["id": .string(id.text)])
    case ("tenants", 3, .post) where path[2] == "users":
      try caller.requireOperator()
      let body = try body(exchange)
      let (kind, number) = try user(body)
      try await tenants.map(kind, number, to: try tenantID(path[1]), as: try role(body), by: author)
      Self.answer(exchange, [kind.rawValue: .integer(number)])
    case ("tenants", 5, .delete) where path[2] == "users":
      try caller.requireOperator()
      guard let kind = UserFacts.Kind(rawValue: path[3]), let number = UInt32(path[4]) else {
        throw HostError(.invalidRequest, "users are uid/NUMBER or gid/NUMBER")
      }
      try await tenants.unmap(kind, number, from: try tenantID(path[1]), by: author)
      Self.answer(exchange, [kind.rawValue: .integer(number)])
    case ("keys", 1, .get):
      let keys = try await tenants.keys(of: try scope(exchange))
      Self.answer(exchange, ["keys": .array(keys.map { .object(key($0)) })])
    case ("keys", 1, .post):
      let body = try body(exchange)
      let id = try body["tenant"]?.string.map(tenantID) ?? caller.tenant
      if id != caller.tenant { try caller.requireOperator() }
      let label = body["label"]?.string ?? ""
      guard label.utf8.count <= 255 else { throw HostError(.invalidRequest, "'label' has over 255 bytes") }
      let made = try await tenants.addKey(
        to: id, as: try role(body), label: label, expiringIn: try seconds(body, "expiresInSeconds", from: 1),
        by: author)
      answer(exchange, made)
    case ("keys", 2, .delete):
      try await tenants.revokeKey(path[1], of: try scope(exchange), by: author)
      Self.answer(exchange, ["id": .string(path[1])])
    case ("keys", 3, .post) where path[2] == "rotate":
      let overlap = try seconds(try body(exchange), "overlapSeconds", from: 0) ?? 86_400
      answer(
        exchange,
        try await tenants.rotateKey(path[1], of: try scope(exchange), overlapSeconds: overlap, by: author))
    case ("audit", 1, .get):
      let entries = try await tenants.audit(of: try scope(exchange), before: nil, limit: 1000)
      Self.answer(exchange, ["entries": .array(entries.map { entry($0) })])
    default: Self.refuseUnknown(exchange)
    }
  }

  /// Whose keys and entries a caller sees: for operators those of all, or of the one that `?tenant=` names.
  private func scope(_ exchange: Exchange) throws(HostError) -> TenantID? {
    let isNamed = String(decoding: exchange.head.queryBytes, as: UTF8.self).contains("tenant=")
    return exchange.caller.isOperator && !isNamed ? nil : try exchange.tenant
  }

  // MARK: What comes in

  private func body(_ exchange: Exchange) throws(HostError) -> JSONValue {
    let body = try Self.json(exchange) ?? .object([])
    guard body.members != nil else {
      throw HostError(.invalidRequest, "the body must be an object, not \(body.kindName)")
    }
    return body
  }

  private func tenantID(_ text: String) throws(HostError) -> TenantID {
    guard let tenant = TenantID(text) else {
      throw HostError(
        .invalidRequest, "'\(text.excerpt)' is no tenant's name: 1 to 63 of a-z, 0-9 and '-', the first no '-'")
    }
    return tenant
  }

  private func role(_ body: JSONValue) throws(HostError) -> Role {
    guard let role = Role(rawValue: body["role"]?.string ?? "infer") else {
      throw HostError(.invalidRequest, "'role' must be infer, publish or admin")
    }
    return role
  }

  private func user(_ body: JSONValue) throws(HostError) -> (UserFacts.Kind, UInt32) {
    for kind in UserFacts.Kind.allCases {
      guard let value = body[kind.rawValue] else { continue }
      guard let number = value.int.flatMap({ UInt32(exactly: $0) }), number != .max else { break }
      return (kind, number)
    }
    throw HostError(.invalidRequest, "the body needs 'uid' or 'gid', a number below 4294967295")
  }

  /// Up to a century.
  private func seconds(_ body: JSONValue, _ key: String, from least: Int) throws(HostError) -> Int? {
    guard let value = body[key], value != .null else { return nil }
    guard let seconds = value.int, (least...3_155_760_000).contains(seconds) else {
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
      .init("state", .string(facts.state)), .init("createdMs", .integer(facts.createdMs)),
      .init("expiresMs", facts.expiresMs.map { .integer($0) } ?? .null),
      .init("revokedMs", facts.revokedMs.map { .integer($0) } ?? .null),
    ]
  }

  private func entry(_ entry: AuditEntry) -> JSONValue {
    [
      "number": .integer(entry.number), "timeMs": .integer(entry.timeMs), "tenant": .string(entry.tenant),
      "caller": .string(entry.caller), "origin": .string(entry.origin), "action": .string(entry.action),
      "subject": .string(entry.subject), "requestId": .string(entry.requestID),
    ]
  }
}
