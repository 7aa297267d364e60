/// What may honestly be said of a runner beside the reference.
package enum Verdict: Sendable, Equatable {
  /// The factor's interval lies beyond the least effect that counts.
  case faster(low: Double, high: Double)
  case slower(low: Double, high: Double)
  /// The whole interval lies within the least effect that counts.
  case equal
  /// The interval reaches to both sides of a border: more rounds would tell.
  case open
  /// Too few rounds for an interval.
  case unknown

  /// - Parameters:
  ///   - ratio: Time of the runner by time of the reference: below 1 is faster.
  ///   - leastEffect: As 0.02: what is smaller isn't called a difference, however sure it is.
  package init(_ ratio: Interval?, leastEffect: Double) {
    guard let ratio else {
      self = .unknown
      return
    }
    let border = 1 + leastEffect
    if ratio.high < 1 / border {
      self = .faster(low: 1 / ratio.high, high: 1 / ratio.low)
    } else if ratio.low > border {
      self = .slower(low: ratio.low, high: ratio.high)
    } else {
      self = ratio.low >= 1 / border && ratio.high <= border ? .equal : .open
    }
  }

  package var isDifference: Bool {
    switch self {
    case .faster, .slower: true
    case .equal, .open, .unknown: false
    }
  }

  /// The word for it in JSON.
  package var word: String {
    switch self {
    case .faster: "faster"
    case .slower: "slower"
    case .equal: "equal"
    case .open: "open"
    case .unknown: "unknown"
    }
  }
}
