import Synchronization

/// How often something happened and how long it took in all.
package struct DurationStatistic: ~Copyable, Sendable {
  private let occurrences = Atomic<UInt64>(0)
  private let nanoseconds = Atomic<UInt64>(0)

  package init() {}

  @inline(__always)
  package func add(_ duration: UInt64) {
    occurrences.wrappingAdd(1, ordering: .relaxed)
    nanoseconds.wrappingAdd(duration, ordering: .relaxed)
  }

  package var count: UInt64 { occurrences.load(ordering: .relaxed) }
  package var totalNanoseconds: UInt64 { nanoseconds.load(ordering: .relaxed) }
}

/// What the protocol's statistics extension reports of one model version. Any thread.
package final class ModelStatistics: Sendable {
  /// Whole requests that were answered.
  package let success = DurationStatistic()
  /// Requests that reached the runner and failed there.
  package let fail = DurationStatistic()
  /// Waiting for a free place in the runner.
  package let queue = DurationStatistic()
  package let computeInput = DurationStatistic()
  package let computeInfer = DurationStatistic()
  package let computeOutput = DurationStatistic()
  private let lastInferenceNs = Atomic<UInt64>(0)

  package init() {}

  /// - Parameter monotonicNs: CLOCK_MONOTONIC, which the caller has read anyway.
  package func noteInference(monotonicNs: UInt64) { lastInferenceNs.store(monotonicNs, ordering: .relaxed) }

  /// CLOCK_MONOTONIC nanoseconds of the last answer; 0 before the first.
  package var lastInference: UInt64 { lastInferenceNs.load(ordering: .relaxed) }
}
