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
  /// Requests that could be read and weren't answered: while they waited, in the runner, or by what it gave.
  package let fail = DurationStatistic()
  /// Runs whose requests failed.
  package let failedRuns = DurationStatistic()
  /// Waiting for a free place in the runner.
  package let queue = DurationStatistic()
  package let computeInput = DurationStatistic()
  package let computeInfer = DurationStatistic()
  package let computeOutput = DurationStatistic()
  private let lastInferenceNs = Atomic<UInt64>(0)
  /// Histograms by runner and device.
  package let series = VersionSeries()

  package init() {}

  /// The times of one request that was answered; all in nanoseconds of CLOCK_MONOTONIC.
  package struct Answer {
    package let startNs, inputNs, queueNs, runNs, outputNs, endNs: UInt64

    package init(
      startNs: UInt64, inputNs: UInt64, queueNs: UInt64, runNs: UInt64, outputNs: UInt64, endNs: UInt64
    ) {
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
    computeInput.add(answer.inputNs)
    queue.add(answer.queueNs)
    computeInfer.add(answer.runNs)
    computeOutput.add(answer.outputNs)
    success.add(answer.endNs - answer.startNs)
    lastInferenceNs.store(answer.endNs, ordering: .relaxed)
  }

  /// CLOCK_MONOTONIC nanoseconds of the last answer; 0 before the first.
  package var lastInference: UInt64 { lastInferenceNs.load(ordering: .relaxed) }
}
