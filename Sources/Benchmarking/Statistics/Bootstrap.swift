import Glibc

/// A factor with the interval that it lies in at the stated confidence.
package struct Interval: Sendable, Equatable {
  package let estimate: Double
  package let low: Double
  package let high: Double

  package init(estimate: Double, low: Double, high: Double) {
    self.estimate = estimate
    self.low = low
    self.high = high
  }
}

/// Confidence intervals from rounds, not from single requests: requests of one round share their disturbances, so that
/// thousands of them say little more than one.
///
/// What a typical round shows is the 20 % trimmed mean, so that a few disturbed rounds count for nothing; its interval
/// is the symmetric bootstrap-t of Yuen's standard error. Where few rounds and wild ones make that useless, the median's
/// interval from order statistics is narrower and assumes nothing; each has half of the error that is allowed, so that
/// taking the narrower one keeps the promise.
package enum Bootstrap {
  /// With fewer, too many resamples hold one value alone and have no error of their own.
  package static let fewestRounds = 10
  /// Enough for the tails of 99 % and a correction for several verdicts.
  package static let resamples = 10_000

  /// The ratio `subject` / `reference` of values that were measured in the same rounds.
  ///
  /// - Parameters:
  ///   - subject: Positive, one a round, in the order of `reference`.
  ///   - confidence: As 0.95.
  /// - Returns: Nil below `fewestRounds`, or for values that have no logarithm.
  package static func ratio(
    _ subject: [Double], to reference: [Double], confidence: Double, seed: UInt64, resamples: Int = resamples
  ) -> Interval? {
    precondition(subject.count == reference.count)
    let logs = zip(subject, reference).map { log($0) - log($1) }
    guard let interval = location(logs, confidence: confidence, seed: seed, resamples: resamples) else { return nil }
    return Interval(estimate: exp(interval.estimate), low: exp(interval.low), high: exp(interval.high))
  }

  /// The ratio `subject` / `base` of values from different runs, whose rounds belong to nothing in each other.
  package static func unpairedRatio(
    _ subject: [Double], to base: [Double], confidence: Double, seed: UInt64
  ) -> Interval? {
    let half = { (values: [Double], seed: UInt64) in
      location(values.map { log($0) }, confidence: confidence, seed: seed)
    }
    guard let a = half(subject, seed), let b = half(base, seed &+ 1) else { return nil }
    let difference = a.estimate - b.estimate
    let spread = ((a.high - a.low) * (a.high - a.low) + (b.high - b.low) * (b.high - b.low)).squareRoot() / 2
    return Interval(estimate: exp(difference), low: exp(difference - spread), high: exp(difference + spread))
  }

  /// The interval of the trimmed mean of `values`.
  static func location(
    _ values: [Double], confidence: Double, seed: UInt64, resamples: Int = resamples
  ) -> Interval? {
    guard values.count >= fewestRounds, values.allSatisfy(\.isFinite) else { return nil }
    let half = (1 + confidence) / 2
    let trimmed = bootstrapped(values, confidence: half, seed: seed, resamples: resamples)
    guard let ordered = ordered(values, confidence: half), ordered.high - ordered.low < trimmed.high - trimmed.low
    else { return trimmed }
    return ordered
  }

  /// The median's interval between two of the values: at most so many lie below it as coins show heads.
  ///
  /// - Returns: Nil where so few values can't give the confidence.
  static func ordered(_ values: [Double], confidence: Double) -> Interval? {
    let sorted = values.sorted()
    let count = Double(sorted.count)
    var below = 0.0
    var cut = -1
    while 2 * (cut + 2) <= sorted.count {
      let heads = Double(cut + 1)
      below += exp(lgamma(count + 1) - lgamma(heads + 1) - lgamma(count - heads + 1) - count * log(2))
      guard 1 - 2 * below >= confidence else { break }
      cut += 1
    }
    guard cut >= 0 else { return nil }
    return Interval(estimate: median(values), low: sorted[cut], high: sorted[sorted.count - 1 - cut])
  }

  private static func bootstrapped(
    _ values: [Double], confidence: Double, seed: UInt64, resamples: Int
  ) -> Interval {
    let (mean, error) = trimmed(values)
    if error == 0 { return Interval(estimate: mean, low: mean, high: mean) }
    var generator = SeededGenerator(seed: seed)
    var sample = values
    var distances: [Double] = []
    distances.reserveCapacity(resamples)
    for _ in 0..<resamples {
      for index in sample.indices { sample[index] = values[generator.index(below: values.count)] }
      let (resampled, itsError) = trimmed(sample)
      // A resample of equal values has no error of its own: it says that the estimate is as far off as can be.
      let distance = (resampled - mean).magnitude
      distances.append(itsError > 0 ? distance / itsError : distance > 0 ? .infinity : 0)
    }
    distances.sort()
    let rank = min(Int((confidence * Double(resamples)).rounded(.up)), resamples) - 1
    let finite = distances[rank].isFinite ? distances[rank] : distances.last { $0.isFinite } ?? 0
    return Interval(estimate: mean, low: mean - finite * error, high: mean + finite * error)
  }

  /// The 20 % trimmed mean and its standard error.
  static func trimmed(_ values: [Double]) -> (mean: Double, error: Double) {
    let sorted = values.sorted()
    let cut = sorted.count / 5
    let kept = sorted[cut..<sorted.count - cut]
    let mean = kept.reduce(0, +) / Double(kept.count)
    // Winsorised: what is cut off counts as the value at the cut.
    let low = sorted[cut]
    let high = sorted[sorted.count - cut - 1]
    let winsorised = sorted.map { min(max($0, low), high) }
    let centre = winsorised.reduce(0, +) / Double(sorted.count)
    let squares = winsorised.reduce(0) { $0 + ($1 - centre) * ($1 - centre) }
    let count = Double(sorted.count)
    let deviation = (squares / (count - 1)).squareRoot()
    return (mean, deviation / (0.6 * count.squareRoot()))
  }
}
