package import Inference
import Synchronization

/// Hands out series up to a limit; what would exceed it is summed in one. Any thread.
package final class SeriesBook: Sendable {
  package let limit: Int
  /// Where everything beyond the limit is counted.
  package let others: ServiceTimes
  private let memory = SeriesMemory()
  private let open = Atomic<Int>(0)
  private let refused = Atomic<UInt64>(0)

  /// A word that no model can have: names of models begin with a letter or digit.
  package static let othersName = "_others"

  /// - Parameter limit: Series at once; each is a model version on one runner and device, for one tenant.
  package init(limit: Int) {
    self.limit = limit
    others = ServiceTimes(
      SeriesLabels(
        model: Self.othersName, version: Self.othersName, runner: Self.othersName, device: Self.othersName),
      in: memory, of: nil)
  }

  /// Series that are kept apart now.
  package var count: Int { open.load(ordering: .relaxed) }
  /// Series that weren't because of the limit, since the start.
  package var refusedCount: UInt64 { refused.load(ordering: .relaxed) }

  func series(_ labels: SeriesLabels) -> ServiceTimes {
    if open.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return ServiceTimes(labels, in: memory, of: self) }
    open.wrappingSubtract(1, ordering: .relaxed)
    refused.wrappingAdd(1, ordering: .relaxed)
    return others
  }

  /// Those that are kept apart, of one tenant or, for nil, of all.
  package func read(of tenant: TenantID?) -> SeriesReading { SeriesReading(memory, of: tenant) }

  func seriesEnded() { open.wrappingSubtract(1, ordering: .relaxed) }
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
