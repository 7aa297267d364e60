package import Inference
import Telemetry
import Wire

/// Who sends a request, and what they may do. Immutable; one object for all requests of a caller.
package final class Caller: Sendable {
  package let tenant: TenantID
  /// Of the tenant, as tables of all tenants' models have it.
  package let scope: TenantScope
  package let role: Role
  /// As the log and the audit name it: `uid:1000`, `key:3f9a0c51b2d4`, `anonymous`.
  package let name: String
  /// Over TCP and without a key.
  package let isAnonymous: Bool
  /// Milliseconds since 1970; nil for never.
  let expiresMs: Int?

  package init(tenant: TenantID, role: Role, name: String, expiresMs: Int? = nil, isAnonymous: Bool = false) {
    self.tenant = tenant
    scope = TenantScope(tenant)
    self.role = role
    self.name = name
    self.expiresMs = expiresMs
    self.isAnonymous = isAnonymous
  }

  func note(_ lines: inout HotLines) {
    lines.add(self, 112)
    lines.add(scope.prefix)
  }

  var hasExpired: Bool { expiresMs.map { $0 <= WallClock.nowMs } ?? false }

  /// Whether it runs the host, not only a tenant of it.
  package var isOperator: Bool { role == .admin && tenant == .standard }

  /// - Throws: `.forbidden`, naming the role that is missing.
  package func require(_ needed: Role) throws(HostError) {
    guard role < needed else { return }
    throw HostError(
      .forbidden, "this needs the role '\(needed.rawValue)'; \(name) has '\(role.rawValue)'",
      details: ["role": .string(needed.rawValue)])
  }

  /// - Throws: `.forbidden` for all but admins of the default tenant.
  package func requireOperator() throws(HostError) {
    guard !isOperator else { return }
    throw HostError(
      .forbidden, "this concerns the whole host and needs the role 'admin' in the tenant 'default'",
      details: ["role": "admin", "tenant": "default"])
  }
}
