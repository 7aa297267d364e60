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
  package var total: DurationTotal { DurationTotal(count: count, nanoseconds: nanoseconds.load(ordering: .relaxed)) }
}

/// How often something had happened at one moment, and how long it had taken in all.
package struct DurationTotal: Sendable {
  package let count: UInt64
  package let nanoseconds: UInt64
}

/// What the protocol's statistics extension reports of one model version. Any thread.
///
/// What each answer is counted in stands in front, side by side: two cache lines at most.
package final class ModelStatistics: Sendable {
  private let requestNs = Atomic<UInt64>(0)
  private let queueNs = Atomic<UInt64>(0)
  private let lastInferenceNs = Atomic<UInt64>(0)
  private let answers = RunsByRows()
  /// Requests that could be read and weren't answered: while they waited, in the runner, or by what it gave.
  package let fail = DurationStatistic()
  /// Runs whose requests failed.
  package let failedRuns = DurationStatistic()
  /// Histograms by runner and device.
  package let series = VersionSeries()

  package init() {}

  /// The times of one request that was answered; all in nanoseconds of CLOCK_MONOTONIC.
  package struct Answer {
    package let startNs, inputNs, queueNs, runNs, outputNs, endNs: UInt64
    /// Of its run: 1 for a model without a batch dimension.
    package let rows: UInt64

    package init(
      startNs: UInt64, inputNs: UInt64, queueNs: UInt64, runNs: UInt64, outputNs: UInt64, endNs: UInt64,
      rows: UInt64 = 1
    ) {
      self.rows = rows
      self.startNs = startNs
      self.inputNs = inputNs
      self.queueNs = queueNs
      self.runNs = runNs
      self.outputNs = outputNs
      self.endNs = endNs
    }
  }

  /// Counts a request whose run failed, or whose answer couldn't be written.
  package func addFailedRun(_ duration: UInt64) {
    fail.add(duration)
    failedRuns.add(duration)
  }

  /// Counts an answered request everywhere at once, so that the counts agree.
  package func add(_ answer: Answer) {
    answers.add(answer)
    requestNs.wrappingAdd(answer.endNs - answer.startNs, ordering: .relaxed)
    queueNs.wrappingAdd(answer.queueNs, ordering: .relaxed)
    lastInferenceNs.store(answer.endNs, ordering: .relaxed)
  }

  /// The answered requests' runs. What else is told of answers goes by their count, so that all agree.
  package var runs: RunTotals { answers.totals }
  /// What answered requests took in all.
  package var totalRequestNs: UInt64 { requestNs.load(ordering: .relaxed) }
  /// What they waited for a free place in the runner.
  package var totalQueueNs: UInt64 { queueNs.load(ordering: .relaxed) }

  /// CLOCK_MONOTONIC nanoseconds of the last answer; 0 before the first.
  package var lastInference: UInt64 { lastInferenceNs.load(ordering: .relaxed) }
}
