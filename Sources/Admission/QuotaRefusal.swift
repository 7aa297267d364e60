package import Inference
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
    let what = limit.text(value)
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

extension QuotaLimit {
  fileprivate func text(_ value: Int) -> String {
    switch self {
    case .requestsPerSecond: "\(value) requests a second are the limit"
    case .concurrentRequests: "\(value) requests at once are the limit, and as many are under way"
    case .inputBytesPerSecond: "\(value) bytes of input a second are the limit"
    case .computeSecondsPerDay: "\(value) seconds of run time a day are the limit, and they are used up"
    case .storedBytes: "\(value) bytes of versions and uploads are the limit"
    case .registeredModels: "\(value) registered models are the limit"
    case .loadedModelBytes: "\(value) bytes of loaded models are the limit"
    }
  }

  /// A limit on what stays is in the way: time alone makes no room.
  ///
  /// - Parameters:
  ///   - value: The limit.
  ///   - used: Of it, by others than what is wanted now.
  package func refusal(_ value: Int, used: Int, wanted: Int) -> HostError {
    HostError(
      .quotaExceeded, "\(text(value)): \(used) are there and \(wanted) more are wanted; purge some, or ask for more",
      details: [
        "limit": .string(rawValue), "value": .integer(value), "used": .integer(used), "wanted": .integer(wanted),
      ], retryAfterSeconds: 60)
  }
}
