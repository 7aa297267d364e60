/// What one tenant may use. 0 = no limit.
package struct QuotaLimits: Sendable, Equatable {
  package var requestsPerSecond = 0
  /// Requests that may come at once; 0 = what a tenth of a second brings, and 2 at least: with 1, what gathers between two
  /// requests is lost.
  package var burst = 0
  package var concurrentRequests = 0
  package var inputBytesPerSecond = 0
  package var computeSecondsPerDay = 0
  /// Of registered versions and of uploads under way.
  package var storedBytes = 0
  package var registeredModels = 0
  /// Memory that loaded models take together.
  package var loadedModelBytes = 0
  /// Of run time under overload, in relation to other tenants'.
  package var weight = 1

  package init() {}

  var requestBucket: QuotaBucket? {
    guard requestsPerSecond > 0 else { return nil }
    return QuotaBucket(perSecond: requestsPerSecond, burst: burst > 0 ? burst : max(2, requestsPerSecond / 10))
  }

  var byteBucket: QuotaBucket? {
    guard inputBytesPerSecond > 0 else { return nil }
    return QuotaBucket(perSecond: inputBytesPerSecond, burst: inputBytesPerSecond / 10)
  }

  var computeNsPerDay: UInt64? {
    computeSecondsPerDay > 0 ? UInt64(min(computeSecondsPerDay, 1 << 33)) * 1_000_000_000 : nil
  }
}

/// One of the limits, by the name it has in the configuration and in answers.
package enum QuotaLimit: String, Sendable, CaseIterable {
  case requestsPerSecond, concurrentRequests, inputBytesPerSecond, computeSecondsPerDay
  case storedBytes, registeredModels, loadedModelBytes
}

extension QuotaLimits {
  /// 0 = no limit.
  package func value(of limit: QuotaLimit) -> Int { QuotaField(rawValue: limit.rawValue).map { self[$0] } ?? 0 }
}
