package import Inference
import Synchronization

/// The quota of each tenant, made when it is first asked for. Any thread.
///
/// A tenant's limits are the defaults, but for those that were set for it alone.
package final class Quotas: Sendable {
  private struct State: Sendable {
    var defaults: QuotaLimits
    /// What was set for single tenants.
    var own: [TenantID: [QuotaField: Int]] = [:]
    /// Used before the start, by tenants that nobody has asked for since.
    var former: [TenantID: QuotaUsage] = [:]
    var quotas: [TenantID: Quota] = [:]
  }

  private let state: Mutex<State>

  /// - Parameter defaults: Of tenants that have no limits of their own.
  package init(_ defaults: QuotaLimits = QuotaLimits()) { state = Mutex(State(defaults: defaults)) }

  /// Always the same object; callers keep it.
  package func quota(of tenant: TenantID) -> Quota {
    state.withLock { state in
      if let known = state.quotas[tenant] { return known }
      let quota = Quota(state.defaults.with(state.own[tenant] ?? [:]))
      if let former = state.former.removeValue(forKey: tenant) { quota.restore(former) }
      state.quotas[tenant] = quota
      return quota
    }
  }

  /// Those whose callers have come, by name.
  package var all: [(tenant: TenantID, quota: Quota)] {
    state.withLock { $0.quotas }.sorted { $0.key < $1.key }.map { (tenant: $0.key, quota: $0.value) }
  }

  // MARK: Limits

  /// Of tenants that have none of their own; at once.
  package var defaults: QuotaLimits {
    get { state.withLock { $0.defaults } }
    set {
      state.withLock { state in
        state.defaults = newValue
        for (tenant, quota) in state.quotas { quota.limits = newValue.with(state.own[tenant] ?? [:]) }
      }
    }
  }

  /// What was set for this tenant alone.
  package func own(_ tenant: TenantID) -> [QuotaField: Int] { state.withLock { $0.own[tenant] ?? [:] } }

  /// In place of what was set before; at once.
  package func setOwn(_ own: [QuotaField: Int], of tenant: TenantID) {
    state.withLock { state in
      state.own[tenant] = own.isEmpty ? nil : own
      state.quotas[tenant]?.limits = state.defaults.with(own)
    }
  }

  // MARK: Usage

  /// Takes over what was used before a restart.
  package func restore(_ usage: QuotaUsage, of tenant: TenantID) {
    state.withLock { state in
      if let quota = state.quotas[tenant] { quota.restore(usage) } else { state.former[tenant] = usage }
    }
  }

  /// Of all tenants that were asked for.
  package var usages: [TenantID: QuotaUsage] { state.withLock { $0.quotas }.mapValues(\.usage) }

  /// A tenant that is no more; one of the same name begins anew.
  package func forget(_ tenant: TenantID) {
    state.withLock { state in
      state.own[tenant] = nil
      state.former[tenant] = nil
      state.quotas[tenant] = nil
    }
  }
}
