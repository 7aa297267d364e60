/// A tenant as what stands in front of its names where those of all tenants lie together: nothing for the default one.
package struct TenantScope: Sendable {
  package static let standard = TenantScope(.standard)

  /// `TENANT/`, which no name begins with.
  package let prefix: [UInt8]

  package init(_ tenant: TenantID) { prefix = tenant == .standard ? [] : Array("\(tenant.text)/".utf8) }
}
