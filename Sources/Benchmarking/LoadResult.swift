/// One runner at one load: every round's figures, and all latencies together.
package struct LoadResult: Sendable {
  package let load: Load
  package var latencies = Histogram()
  /// Medians of the rounds, in nanoseconds.
  package var roundMedians: [Double] = []
  /// Answers a second of the rounds.
  package var roundRates: [Double] = []
  /// Which start of the runner each round belongs to.
  package var roundStarts: [Int] = []
  package var answered: UInt64 = 0
  package var errors: UInt64 = 0
  package var changed: UInt64 = 0
  package var unsent: UInt64 = 0
  package var problem: String?
  /// Of the host and its runner.
  package var cpuNs: UInt64 = 0
  /// Everything that CPU time was spent on: answers of the settling, too.
  package var cpuAnswers: UInt64 = 0
  /// Of one connection, all of its requests: their latencies' sum, and what the server says of their runs.
  package var exchanges: UInt64 = 0
  package var exchangesNs: UInt64 = 0
  package var runs = RunStatistics()
  /// Largest difference of the last three windows of the warm-up, as a share; nil where there was none.
  package var instability: Double?

  package init(load: Load) { self.load = load }

  mutating func add(_ window: Window, start: Int) {
    roundStarts.append(start)
    latencies.add(window.latencies)
    roundMedians.append(window.latencies.quantile(0.5))
    roundRates.append(window.requestsPerSecond)
    answered += window.answered
    errors += window.errors
    changed += window.changed
    unsent += window.unsent
    problem = problem ?? window.problem
  }

  /// Of the typical round; in an open loop, where the number of arrivals varies by itself, of all rounds.
  package var requestsPerSecond: Double {
    if case .open = load.kind { return roundRates.reduce(0, +) / Double(max(roundRates.count, 1)) }
    return median(roundRates)
  }
  /// Rows a second: requests by their batch.
  package var rowsPerSecond: Double { requestsPerSecond * Double(load.batch ?? 1) }
  package var cpuPerRequestNs: Double? { cpuNs == 0 || cpuAnswers == 0 ? nil : Double(cpuNs) / Double(cpuAnswers) }
  /// Mean latency without the mean run; nil where the server doesn't say how long its runs take.
  package var hostCostNs: Double? {
    guard exchanges > 0, runs.count > 0 else { return nil }
    return Double(exchangesNs) / Double(exchanges) - Double(runs.ns) / Double(runs.count)
  }
  /// Half the distance of the quartiles of the rounds' medians, by their median: how restless the rounds were.
  package var spread: Double {
    let sorted = roundMedians.sorted()
    guard sorted.count >= 4, median(sorted) > 0 else { return 0 }
    return (sorted[sorted.count * 3 / 4] - sorted[sorted.count / 4]) / 2 / median(sorted)
  }
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return 0 }
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
