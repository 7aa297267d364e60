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
  private let answerCount = Atomic<UInt64>(0)
  private let requestNs = Atomic<UInt64>(0)
  private let queueNs = Atomic<UInt64>(0)
  private let inputNs = Atomic<UInt64>(0)
  private let runNs = Atomic<UInt64>(0)
  private let outputNs = Atomic<UInt64>(0)
  private let lastInferenceNs = Atomic<UInt64>(0)
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
    answerCount.wrappingAdd(1, ordering: .relaxed)
    requestNs.wrappingAdd(answer.endNs - answer.startNs, ordering: .relaxed)
    queueNs.wrappingAdd(answer.queueNs, ordering: .relaxed)
    inputNs.wrappingAdd(answer.inputNs, ordering: .relaxed)
    runNs.wrappingAdd(answer.runNs, ordering: .relaxed)
    outputNs.wrappingAdd(answer.outputNs, ordering: .relaxed)
    lastInferenceNs.store(answer.endNs, ordering: .relaxed)
  }

  /// Whole requests that were answered.
  package var success: DurationTotal { ofAnswers(requestNs) }
  /// Waiting for a free place in the runner.
  package var queue: DurationTotal { ofAnswers(queueNs) }
  package var computeInput: DurationTotal { ofAnswers(inputNs) }
  package var computeInfer: DurationTotal { ofAnswers(runNs) }
  package var computeOutput: DurationTotal { ofAnswers(outputNs) }

  private func ofAnswers(_ sum: borrowing Atomic<UInt64>) -> DurationTotal {
    DurationTotal(count: answerCount.load(ordering: .relaxed), nanoseconds: sum.load(ordering: .relaxed))
  }

  /// CLOCK_MONOTONIC nanoseconds of the last answer; 0 before the first.
  package var lastInference: UInt64 { lastInferenceNs.load(ordering: .relaxed) }
}
