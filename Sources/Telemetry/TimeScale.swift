/// The buckets that durations are counted in: ten a decade, of which those at 1 and 3 are what `/metrics` shows.
package enum TimeScale {
  /// Upper bounds in nanoseconds, from 1 µs to 100 s; a further bucket takes what is longer.
  package static let fine: [UInt64] = {
    let steps: [UInt64] = [100, 125, 160, 200, 250, 300, 400, 500, 630, 800]
    var bounds: [UInt64] = []
    var decade: UInt64 = 10
    for _ in 0..<8 {
      bounds += steps.map { $0 * decade }
      decade *= 10
    }
    return bounds + [100 * decade]
  }()

  /// From 10 µs to 30 s. Each is a bound of `fine`, too.
  package static let coarse: [UInt64] = (4...10).flatMap { power in
    let decade = (0..<power).reduce(UInt64(1)) { value, _ in value * 10 }
    return [decade, 3 * decade]
  }

  /// `coarse` in seconds, as Prometheus and OpenMetrics both write floats.
  package static let coarseLabels: [StaticString] = [
    "1e-05", "3e-05", "0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1.0", "3.0", "10.0", "30.0",
  ]

  static let fineIndex = BucketIndex(fine)
  static let coarseIndex = BucketIndex(coarse)

  /// A duration below which `share` of those counted in buckets of `fine` lie, in nanoseconds; nil of none.
  ///
  /// - Parameter share: 0.5 for the median. Between the bounds of a bucket it is taken in proportion.
  package static func quantile(_ share: Double, of counts: [UInt64]) -> Double? {
    let total = counts.reduce(0, +)
    guard total > 0 else { return nil }
    let rank = share * Double(total)
    var below = 0.0
    for (index, count) in counts.enumerated() where count > 0 {
      if below + Double(count) >= rank {
        let lower = index == 0 ? 0 : Double(fine[index - 1])
        let upper = index < fine.count ? Double(fine[index]) : lower
        return lower + (upper - lower) * max(0, rank - below) / Double(count)
      }
      below += Double(count)
    }
    return Double(fine[fine.count - 1])
  }
}

/// Finds a duration's bucket: a table by its highest bit, then the few bounds that share it.
struct BucketIndex: Sendable {
  private let bounds: [UInt64]
  private let firstOfWidth: [Int]

  /// - Parameter bounds: Ascending.
  init(_ bounds: [UInt64]) {
    // A last bound that nothing exceeds ends every search.
    self.bounds = bounds + [.max]
    firstOfWidth = (0...64).map { width in
      let least: UInt64 = width == 0 ? 0 : 1 << UInt64(width - 1)
      return bounds.firstIndex { $0 >= least } ?? bounds.count
    }
  }

  /// The first bucket whose bound is at least `nanoseconds`; the count of bounds for longer ones.
  @inline(__always)
  func of(_ nanoseconds: UInt64) -> Int {
    bounds.withUnsafeBufferPointer { bounds in
      var index = firstOfWidth.withUnsafeBufferPointer { $0[64 - nanoseconds.leadingZeroBitCount] }
      while bounds[index] < nanoseconds { index += 1 }
      return index
    }
  }
}
