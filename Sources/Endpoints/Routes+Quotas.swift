import Admission
import Catalog
import Inference
import Routing
import Serving
import Store
import Telemetry
import Wire

/// What tenants may use, and what they have used.
///
///     GET    /v1/quota              the caller's own
///     GET    /v1/tenants/ID/quota
///     PUT    /v1/tenants/ID/quota   {"requestsPerSecond": 100, …}: these, and the defaults for all others
///     PATCH  /v1/tenants/ID/quota   {"weight": 2, "burst": null}: changes these; null goes back to the default
extension Routes {
  func respondQuota(_ exchange: Exchange, _ method: HTTPMethod, of tenant: TenantID) async throws(HostError) {
    guard Self.allow(.get, method, exchange) else { return }
    try requireKnown(tenant, tenant.text)
    Self.answer(exchange, try await quota(of: tenant))
  }

  func respondQuota(_ exchange: Exchange, _ method: HTTPMethod, ofTenant name: String) async throws(HostError) {
    let caller = exchange.caller
    try caller.require(.admin)
    if method != .get || name != caller.tenant.text { try caller.requireOperator() }
    let tenant = try requireKnown(TenantID(name), name)
    switch method {
    case .get: break
    case .put, .patch:
      guard let quotaBook else {
        throw HostError(.notOffered, "this host keeps no limits of tenants; start it with --data DIR (data.folder)")
      }
      let isWhole = method == .put
      let wanted = try Self.limits(exchange, mayBeNull: !isWhole)
      try await quotaBook.setOwn(of: tenant, by: exchange.author) { own in
        isWhole
          ? wanted.compactMapValues { $0 }
          : wanted.reduce(into: own) { own, each in own[each.key] = each.value }
      }
      await router.weigh(tenant)
      // What had no room may have it now.
      if wanted[.loadedModelBytes] != nil || isWhole { await router.rescan(retriesFailures: true) }
    default: return Self.refuseMethod(exchange, allowed: "GET, HEAD, PUT, PATCH")
    }
    Self.answer(exchange, try await quota(of: tenant))
  }

  @discardableResult
  private func requireKnown(_ tenant: TenantID?, _ name: String) throws(HostError) -> TenantID {
    guard let tenant, (tenants?.known ?? [.standard]).contains(tenant) else {
      throw HostError(.notFound, "no tenant '\(name.excerpt)'; `stadion tenant list` names them")
    }
    return tenant
  }

  /// Nil values for what goes back to the default.
  private static func limits(_ exchange: Exchange, mayBeNull: Bool) throws(HostError) -> [QuotaField: Int?] {
    var fields = try BodyFields(try json(exchange) ?? .object([]))
    var limits: [QuotaField: Int?] = [:]
    for field in QuotaField.allCases {
      guard let value = fields.value(field.rawValue) else { continue }
      if mayBeNull && value == .null {
        limits.updateValue(nil, forKey: field)
        continue
      }
      guard let number = value.int, field.range.contains(number) else {
        throw HostError(
          .invalidRequest,
          "'\(field.rawValue)' must be a whole number from \(field.range.lowerBound) to \(field.range.upperBound), "
            + "not \(value.text.excerpt)")
      }
      limits[field] = number
    }
    try fields.end()
    return limits
  }

  private func quota(of tenant: TenantID) async throws(HostError) -> JSONValue {
    let quota = quotas.quota(of: tenant)
    let (limits, own, usage) = (quota.limits, quotas.own(tenant), quota.usageToday)
    let kept = catalog?.isStarted == true ? try await catalog?.kept(by: tenant) : nil
    let dayEndMs = Int(usage.day + 1) * 86_400_000
    return [
      "tenant": .string(tenant.text),
      "limits": .object(QuotaField.allCases.map { .init($0.rawValue, .integer(limits[$0])) }),
      // What was set for this tenant alone.
      "own": .array(QuotaField.allCases.filter { own[$0] != nil }.map { .string($0.rawValue) }),
      "now": [
        "concurrentRequests": .integer(quota.activeCount), "storedBytes": .integer(kept?.byteCount ?? 0),
        "registeredModels": .integer(kept?.modelCount ?? 0), "loadedModelBytes": .integer(quota.memory.takenBytes),
      ],
      "today": [
        "requests": .integer(usage.requests), "refusals": .integer(usage.refusals),
        "inputBytes": .integer(usage.inputBytes),
        "computeSeconds": .number("\(Double(usage.computeNs / 1_000_000) / 1000)"),
        "resets": .string(WallClock.text(ms: dayEndMs)),
        "resetSeconds": .integer(max(0, (dayEndMs - WallClock.nowMs + 999) / 1000)),
      ],
    ]
  }
}
