package import Inference

/// A model among those of all tenants: `NAME` in the default tenant, `TENANT/NAME` in others. No name has a slash.
package enum ModelKey {
  package static func text(_ tenant: TenantID, _ name: String) -> String {
    tenant == .standard ? name : "\(tenant.text)/\(name)"
  }

  static func tenant(of key: String) -> TenantID {
    key.firstIndex(of: "/").flatMap { TenantID(String(key[..<$0])) } ?? .standard
  }

  static func name(of key: String) -> String {
    key.firstIndex(of: "/").map { String(key[key.index(after: $0)...]) } ?? key
  }
}

/// Where the models of each tenant lie.
package struct ModelRoots: Sendable {
  /// Of the default tenant; nil for none.
  package var standard: String?
  /// Above `TENANT/models` of the others; nil for none.
  package var tenants: String?

  package init() {}

  func root(of tenant: TenantID) -> String? {
    tenant == .standard ? standard : tenants.map { "\($0)/\(tenant.text)/models" }
  }

  /// What holds `root` of a tenant that has a folder; the default tenant's has a place of its own.
  func ownFolder(of tenant: TenantID) -> String? {
    tenant == .standard ? nil : tenants.map { "\($0)/\(tenant.text)" }
  }

  /// The folders above all models there can be.
  var all: [String] { [standard, tenants].compactMap(\.self) }
}
