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

  /// For logs and process lists: no tenant is called so.
  package var tenantText: String { tenant?.text ?? "*" }
}
