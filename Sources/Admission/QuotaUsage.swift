/// What a tenant has used on one day.
package struct QuotaUsage: Sendable, Equatable {
  /// Days since 1970-01-01, UTC.
  package var day: Int64
  package var requests: UInt64 = 0
  package var refusals: UInt64 = 0
  package var inputBytes: UInt64 = 0
  package var computeNs: UInt64 = 0

  package init(day: Int64) { self.day = day }

  mutating func add(_ other: QuotaUsage) {
    requests &+= other.requests
    refusals &+= other.refusals
    inputBytes &+= other.inputBytes
    computeNs &+= other.computeNs
  }
}
