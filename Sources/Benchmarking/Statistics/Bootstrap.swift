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

/// Confidence intervals of ratios, from the logarithms that `Rounds` makes: never from single requests, because those
/// of one round share their disturbances, so that thousands of them say little more than one.
///
/// The estimate is the 20 % trimmed mean of the logarithms, so that a few disturbed values count for nothing. The
/// interval is the symmetric bootstrap-t: resamples tell how many of its own standard errors such a mean is off, which
/// allows for few values and for what their distribution looks like.
package enum Bootstrap {
  /// With fewer, too many resamples hold one value alone and have no error of their own.
  package static let fewestValues = 10
  /// Enough for the tails of 99 % and a correction for several verdicts.
  package static let resamples = 10_000

  /// - Parameters:
  ///   - logRatios: Of values that were measured side by side.
  ///   - confidence: As 0.95.
  /// - Returns: Nil below `fewestValues`.
  package static func ratio(
    _ logRatios: [Double], confidence: Double, seed: UInt64, resamples: Int = resamples
  ) -> Interval? {
    mean(logRatios, confidence: confidence, seed: seed, resamples: resamples).map {
      Interval(estimate: exp($0.estimate), low: exp($0.low), high: exp($0.high))
    }
  }

  /// The ratio of values from different runs, whose rounds belong to nothing in each other.
  package static func unpairedRatio(
    _ logs: [Double], to base: [Double], confidence: Double, seed: UInt64
  ) -> Interval? {
    guard let a = mean(logs, confidence: confidence, seed: seed),
      let b = mean(base, confidence: confidence, seed: seed &+ 1)
    else { return nil }
    let difference = a.estimate - b.estimate
    // Errors of two independent means add up as squares.
    let half = hypot(a.high - a.estimate, b.high - b.estimate)
    return Interval(estimate: exp(difference), low: exp(difference - half), high: exp(difference + half))
  }

  /// The interval of the trimmed mean of `values`.
  static func mean(
    _ values: [Double], confidence: Double, seed: UInt64, resamples: Int = resamples
  ) -> Interval? {
    guard values.count >= fewestValues, values.allSatisfy(\.isFinite) else { return nil }
    let (mean, error) = meanAndError(values)
    if error == 0 { return Interval(estimate: mean, low: mean, high: mean) }
    var generator = SeededGenerator(seed: seed)
    var sample = values
    var distances = (0..<resamples).map { _ -> Double in
      for index in sample.indices { sample[index] = values[generator.index(below: values.count)] }
      let (itsMean, itsError) = meanAndError(sample)
      // A resample of equal values has no error of its own: it says that the mean is as far off as can be.
      return itsError > 0 ? (itsMean - mean).magnitude / itsError : .infinity
    }
    distances.sort()
    let rank = min(Int((confidence * Double(resamples)).rounded(.up)), resamples) - 1
    let half = error * (distances[rank].isFinite ? distances[rank] : distances.last { $0.isFinite } ?? 0)
    return Interval(estimate: mean, low: mean - half, high: mean + half)
  }

  /// The 20 % trimmed mean and Yuen's standard error of it.
  private static func meanAndError(_ values: [Double]) -> (mean: Double, error: Double) {
    let sorted = values.sorted()
    let cut = sorted.count / 5
    let kept = sorted[cut..<sorted.count - cut]
    // Winsorised: what is cut off counts as the value at the cut.
    let winsorised = sorted.map { min(max($0, sorted[cut]), sorted[sorted.count - cut - 1]) }
    let count = Double(sorted.count)
    let centre = winsorised.reduce(0, +) / count
    let squares = winsorised.reduce(0) { $0 + ($1 - centre) * ($1 - centre) }
    return (kept.reduce(0, +) / Double(kept.count), (squares / (count - 1) / count).squareRoot() / 0.6)
  }
}
