package import Inference
import Synchronization

/// The quota of each tenant, made when its first caller comes. Any thread.
package final class Quotas: Sendable {
  private struct State: Sendable {
    var defaults: QuotaLimits
    var known: [TenantID: Quota] = [:]
  }
  private let state: Mutex<State>

  /// - Parameter defaults: Of each tenant.
  package init(_ defaults: QuotaLimits = QuotaLimits()) { state = Mutex(State(defaults: defaults)) }

  /// The same one for as long as the host runs: connections keep it.
  package func quota(of tenant: TenantID) -> Quota {
    state.withLock { state in
      if let known = state.known[tenant] { return known }
      let quota = Quota(state.defaults)
      state.known[tenant] = quota
      return quota
    }
  }

  /// Of each tenant, for the next request on.
  package var defaults: QuotaLimits {
    get { state.withLock { $0.defaults } }
    set {
      let all = state.withLock { state in
        state.defaults = newValue
        return Array(state.known.values)
      }
      for quota in all { quota.limits = newValue }
    }
  }
}
