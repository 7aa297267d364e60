package import Inference

/// The highest rate at which a server keeps a promise about its latency.
package struct RateSearch: Sendable {
  /// Share of requests that the limit holds for, as 0.99.
  package let share: Double
  package let limitNs: Double
  package let arrivals: Arrivals
  package let connections: Int
  package let step: Duration

  package struct Step: Sendable, Equatable {
    package let rate: Double
    package let latencyNs: Double
    package let reached: Double
    package let isKept: Bool
  }

  package struct Result: Sendable {
    /// Requests a second; 0 if even the lowest rate broke the promise.
    package let rate: Double
    package let steps: [Step]
  }

  package init(share: Double, limitNs: Double, arrivals: Arrivals, connections: Int, step: Duration) {
    self.share = share
    self.limitNs = limitNs
    self.arrivals = arrivals
    self.connections = connections
    self.step = step
  }

  /// Doubles from a tenth of `capacity`, the closed loop's rate, until the promise breaks, then halves the gap until it
  /// is below 3 %.
  package func run(
    _ generator: LoadGenerator, capacity: Double, seed: UInt64, progress: (Double) -> Void
  ) throws(HostError) -> Result {
    var steps: [Step] = []
    func keeps(_ rate: Double) throws(HostError) -> Bool {
      progress(rate)
      // One step that misses may be the machine's fault: it is asked again before it counts.
      for attempt in 0..<2 {
        let seed = seed &+ UInt64(steps.count * 2 + attempt)
        let window = try generator.open(connections, rate: rate, arrivals: arrivals, duration: step, seed: seed)
        let latency = window.latencies.quantile(share)
        let reached = Double(window.answered) / (step / .seconds(1))
        // Poisson arrivals vary: three standard deviations of their number are no failure.
        let wanted = rate * (step / .seconds(1))
        let isReached = Double(window.answered) >= wanted * 0.99 - (arrivals == .poisson ? 3 * wanted.squareRoot() : 1)
        let isKept = latency <= limitNs && window.errors == 0 && window.unsent == 0 && isReached
        steps.append(Step(rate: rate, latencyNs: latency, reached: reached, isKept: isKept))
        if isKept { return true }
      }
      return false
    }
    var good = 0.0
    var rate = max(capacity / 10, 1)
    var bad = Double.infinity
    while bad == .infinity, steps.count < 40 {
      if try keeps(rate) {
        good = rate
        rate *= 2
      } else {
        bad = rate
      }
    }
    if good == 0 {
      while good == 0, rate > 0.1, steps.count < 60 {
        rate /= 4
        if try keeps(rate) { good = rate } else { bad = rate }
      }
    }
    while good > 0, bad / good > 1.03, steps.count < 80 {
      let middle = (good * bad).squareRoot()
      if try keeps(middle) { good = middle } else { bad = middle }
    }
    return Result(rate: good, steps: steps)
  }
}
