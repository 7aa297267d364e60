import Inference
import Wire

/// How fast a body comes: what has come of it, and how long the loop has waited for more, as its sweeps have seen it.
struct BodyPace {
  var byteCount: Int
  private let beganNs: UInt64
  private var waitNs: UInt64 = 0

  /// - Parameter byteCount: What came with the head.
  init(byteCount: Int, beganNs: UInt64) {
    self.byteCount = byteCount
    self.beganNs = beganNs
  }

  /// It is waited for, and was since the last sweep.
  mutating func note(waitedNs: UInt64, now: UInt64) { waitNs += min(waitedNs, now - beganNs) }

  /// - Throws: `.requestTimeout` if that is too slow.
  func check(_ limits: ServingLimits) throws(HostError) {
    let (rate, waitedMs) = (limits.bodyBytesPerSecond, Int(waitNs / 1_000_000))
    guard rate > 0, waitedMs > limits.bodyGraceMs, byteCount < rate * waitedMs / 1000 else { return }
    throw HostError(
      .requestTimeout, "the body came at less than \(rate) bytes a second: \(byteCount) in \(waitedMs) ms",
      details: ["limit": "serving.minBodyBytesPerSecond", "value": .integer(rate)])
  }
}
