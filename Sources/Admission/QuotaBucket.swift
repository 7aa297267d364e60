/// Tokens that come at a steady rate and gather up to a burst.
///
/// Counted in billionths: a nanosecond brings exactly `rate` of them, so nothing is ever rounded.
struct QuotaBucket {
  /// Rates and costs stay below: level, capacity and what is between fit 63 bits.
  private static let most: Int64 = 1 << 32
  private static let whole: Int64 = 1_000_000_000

  private let rate: Int64
  private let capacity: Int64
  /// Below zero after a cost larger than what was there.
  private var level: Int64
  private var filledNs: UInt64?

  /// Full.
  init(perSecond: Int, burst: Int) {
    rate = min(max(Int64(perSecond), 1), Self.most)
    capacity = min(max(Int64(burst), 1), Self.most) * Self.whole
    level = capacity
  }

  /// Other limits for what is under way; what has gathered stays, as far as it fits.
  init(_ other: QuotaBucket, continuing former: QuotaBucket) {
    self = other
    level = min(former.level, capacity)
    filledNs = former.filledNs
  }

  mutating func fill(_ nowNs: UInt64) {
    // Requests on other threads may have looked at the clock later and come first.
    guard let filledNs, nowNs > filledNs else {
      if filledNs == nil { filledNs = nowNs }
      return
    }
    let elapsed = nowNs - filledNs
    self.filledNs = nowNs
    level = elapsed > UInt64((capacity - level) / rate) ? capacity : level + Int64(elapsed) * rate
  }

  /// Until `count` whole tokens are there; 0 if they are.
  func nsUntil(_ count: Int) -> UInt64 { nsUntil(billionths: Self.billionths(count)) }

  /// Until there is anything at all: for costs that may be larger than a burst.
  var nsUntilAny: UInt64 { nsUntil(billionths: 1) }

  private func nsUntil(billionths: Int64) -> UInt64 {
    level >= billionths ? 0 : UInt64((billionths - level - 1) / rate + 1)
  }

  var whole: Int { Int(max(level, 0) / Self.whole) }

  mutating func take(_ count: Int) { level -= Self.billionths(count) }

  mutating func giveBack(_ count: Int) { level = min(level + Self.billionths(count), capacity) }

  private static func billionths(_ count: Int) -> Int64 { min(Int64(count), most) * whole }
}
