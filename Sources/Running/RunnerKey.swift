package import Inference

/// Which of a runner's processes.
package struct RunnerKey: Hashable, Sendable {
  package let id: String
  /// Whose models it runs, and no others; nil for those of all.
  package let tenant: TenantID?

  package init(id: String, tenant: TenantID?) {
    self.id = id
    self.tenant = tenant
  }

  /// Whether its process stays in the host's session, from which Linux divides the cores among threads: a switch between
  /// sessions costs a microsecond more. The other tenants have a session each, so that none has more of the cores for
  /// having more threads (`SessionShare`).
  var sharesHostSession: Bool { tenant == nil || tenant == .standard }

  /// For logs and process lists: no tenant is called so.
  package var tenantText: String { tenant?.text ?? "*" }
}
