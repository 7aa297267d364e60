package import Inference
import Synchronization

/// Hands out series up to a limit; what would exceed it is summed in one. Any thread.
package final class SeriesBook: Sendable {
  package let limit: Int
  private let tenantLimit: Int
  /// Where everything beyond the limit is counted.
  package let others: ServiceTimes
  private let memory = SeriesMemory()
  private let open = Atomic<Int>(0)
  /// Sets of each tenant but the default one.
  private let tenants = Mutex<[String: Int]>([:])
  private let refused = Atomic<UInt64>(0)

  /// A word that no model can have: names of models begin with a letter or digit.
  package static let othersName = "_others"

  /// - Parameters:
  ///   - limit: Series at once; each is a model version on one runner and device, for one tenant.
  ///   - tenantLimit: Tenants at once, besides the default one.
  package init(limit: Int, tenantLimit: Int) {
    self.limit = limit
    self.tenantLimit = tenantLimit
    others = ServiceTimes(
      SeriesLabels(
        model: Self.othersName, version: Self.othersName, runner: Self.othersName, device: Self.othersName,
        takesRows: true),
      in: memory, of: nil)
  }

  /// Series that are kept apart now.
  package var count: Int { open.load(ordering: .relaxed) }
  /// Series that weren't because of the limit, since the start.
  package var refusedCount: UInt64 { refused.load(ordering: .relaxed) }

  func series(_ labels: SeriesLabels) -> ServiceTimes {
    if begin(labels.tenant) {
      if open.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return ServiceTimes(labels, in: memory, of: self) }
      seriesEnded(labels.tenant)
    }
    refused.wrappingAdd(1, ordering: .relaxed)
    return others
  }

  private func begin(_ tenant: String?) -> Bool {
    guard let tenant else { return true }
    return tenants.withLock { tenants in
      guard tenants[tenant] != nil || tenants.count < tenantLimit else { return false }
      tenants[tenant, default: 0] += 1
      return true
    }
  }

  /// Those that are kept apart, of one tenant or, for nil, of all.
  package func read(of tenant: TenantID?) -> SeriesReading { SeriesReading(memory, of: tenant) }

  func seriesEnded(_ tenant: String?) {
    open.wrappingSubtract(1, ordering: .relaxed)
    guard let tenant else { return }
    tenants.withLock { tenants in
      let left = (tenants[tenant] ?? 1) - 1
      tenants[tenant] = left > 0 ? left : nil
    }
  }
}

/// The series of one model version, by runner, device and tenant. They go with the version. Any thread.
package final class VersionSeries: Sendable {
  private let known = Mutex<[SeriesLabels: ServiceTimes]>([:])

  init() {}

  /// Made when the first request is counted: models that nobody asks have none.
  package func times(_ labels: SeriesLabels, in book: SeriesBook) -> ServiceTimes {
    known.withLock { known in
      if let times = known[labels] { return times }
      let times = book.series(labels)
      known[labels] = times
      return times
    }
  }
}
