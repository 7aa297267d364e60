import Inference
import Wire

/// Which limit stands in the way, and for how long.
struct QuotaRefusal: Sendable {
  let limit: QuotaLimit
  let value: Int
  /// Nil where nobody can tell: a place is free when some request ends.
  let waitNs: UInt64?

  /// - Returns: The refusal of `self` and `other` that lasts longer.
  func longer(_ other: QuotaRefusal?) -> QuotaRefusal {
    guard let other, other.waitNs ?? 0 > waitNs ?? 0 else { return self }
    return other
  }

  var error: HostError {
    let what =
      switch limit {
      case .requestsPerSecond: "\(value) requests a second are the limit"
      case .concurrentRequests: "\(value) requests at once are the limit, and as many are under way"
      case .inputBytesPerSecond: "\(value) bytes of input a second are the limit"
      case .computeSecondsPerDay: "\(value) seconds of run time a day are the limit, and they are used up"
      }
    guard let waitNs else {
      return HostError(
        .quotaExceeded, "\(what); try again when one has ended",
        details: ["limit": .string(limit.rawValue), "value": .integer(value)])
    }
    let milliseconds = Int((waitNs + 999_999) / 1_000_000)
    return HostError(
      .quotaExceeded, "\(what); try again in \(milliseconds) ms",
      details: [
        "limit": .string(limit.rawValue), "value": .integer(value), "retryAfterMs": .integer(milliseconds),
      ], retryAfterSeconds: max(1, (milliseconds + 999) / 1000))
  }
}
