/// What one stretch of load showed.
package struct Window: Sendable {
  package var latencies = Histogram()
  /// With status 200.
  package var answered: UInt64 = 0
  /// Answers of another status, and connections that broke.
  package var errors: UInt64 = 0
  /// Right answers that differ from the first one at either end of their body.
  package var changed: UInt64 = 0
  package var beginNs: UInt64 = 0
  /// Of the last answer that came before the time was over; of an open loop the end itself.
  package var lastNs: UInt64 = 0
  /// Answers until then.
  package var inTime: UInt64 = 0
  /// The first error's text.
  package var problem: String?
  /// Open loop: requests that should have begun and didn't before the time was over.
  package var unsent: UInt64 = 0

  /// All answers, those of the settling and of the end too: what the server's CPU time was spent on.
  package var exchanges: UInt64 = 0
  /// Their latencies' sum.
  package var exchangesNs: UInt64 = 0

  package init() {}

  package var requestsPerSecond: Double {
    lastNs > beginNs ? Double(inTime) * 1e9 / Double(lastNs - beginNs) : 0
  }
}

/// When requests begin, whether or not earlier ones are answered.
package enum Arrivals: String, Sendable, CaseIterable {
  /// At equal distances.
  case constant
  /// As from many callers who don't know of each other.
  case poisson
}
