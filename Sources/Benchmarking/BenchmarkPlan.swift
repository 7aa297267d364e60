/// How a benchmark is done.
package struct BenchmarkPlan: Sendable {
  package var concurrencies = [1, 4]
  package var rounds = 150
  /// How often each runner is started anew; nil for thirty, or as many as cost no more than the measuring.
  package var starts: Int?
  /// Measured time per runner and concurrency, over all rounds.
  package var duration = Duration.seconds(5)
  /// Most time for the warm-up to become stable.
  package var warmUp = Duration.seconds(3)
  /// Three windows of the warm-up within this share of each other are stable.
  package var stability = 0.05
  package var confidence = 0.95
  package var leastEffect = 0.01
  package var tolerance = Tolerance()
  package var seed: UInt64 = 1
  /// Longest wait for one answer.
  package var timeout = Duration.seconds(60)
  /// Rows of a request, one size after the other; nil for inputs as they are.
  package var batches: [Int?] = [nil]
  /// Beside the host's own.
  package var ways: [Way] = []
  /// Open loop beside the closed one; requests a second.
  package var rates: [Double] = []
  package var arrivals = Arrivals.poisson
  /// Connections of the open loop at most.
  package var openConnections = 64
  /// Latency that the highest rate is searched for: share and nanoseconds.
  package var limit: (share: Double, ns: Double)?

  package init() {}

  /// Everything that each runner is put under, in this order in each round.
  package var loads: [LoadResult.Load] {
    let connections = ways.isEmpty || concurrencies.contains(1) ? concurrencies : [1] + concurrencies
    var loads: [LoadResult.Load] = []
    for batch in batches {
      if ways.contains(.inProcess) { loads.append(.closed(1, batch: batch, way: .inProcess)) }
      loads += connections.map { .closed($0, batch: batch) }
      for way in ways where way != .inProcess { loads.append(.closed(1, batch: batch, way: way)) }
      loads += rates.map { .open($0, batch: batch) }
    }
    return loads
  }

  /// Each verdict is one chance to be wrong: together they keep the confidence.
  package func confidence(forVerdicts count: Int) -> Double { 1 - (1 - confidence) / Double(max(count, 1)) }

  /// - Parameter cost: Time to start all runners once.
  func startCount(cost: Duration) -> Int {
    if let starts { return min(starts, rounds) }
    let measured = duration * loads.count
    return min(30, rounds, 1 + Int(measured / max(cost, .milliseconds(1))))
  }

  var roundDuration: Duration { duration / rounds }

  /// Rounds of an open loop: fewer where the rate is low, so that each has five requests on average.
  func openRounds(_ rate: Double) -> Int {
    min(max(Int(min(duration / .seconds(1) * rate / 5, 1e6)), Bootstrap.fewestValues), rounds)
  }

  /// Spread over all rounds.
  func hasOpenRound(_ round: Int, _ rate: Double) -> Bool {
    let count = openRounds(rate)
    return round == 0 || round * count / rounds != (round - 1) * count / rounds
  }

  func openRoundDuration(_ rate: Double) -> Duration {
    max(duration / openRounds(rate), .seconds(5 / rate))
  }
}
