import CLinux
import Glibc

/// The time of day, which may jump: for what people and other programs read, never for durations.
package enum WallClock {
  /// Nanoseconds since 1970.
  package static var nowNs: UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }

  /// Milliseconds since 1970.
  package static var nowMs: Int { Int(nowNs / 1_000_000) }

  /// UTC, RFC 3339, milliseconds: `1994-11-06T08:49:37.000Z`.
  ///
  /// - Parameter ms: Since 1970, not before.
  package static func text(ms: Int) -> String {
    var seconds = ms / 1000
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func pad(_ value: some BinaryInteger, _ width: Int = 2) -> String {
      let digits = String(value)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    return "\(parts.tm_year + 1900)-\(pad(parts.tm_mon + 1))-\(pad(parts.tm_mday))T\(pad(parts.tm_hour)):"
      + "\(pad(parts.tm_min)):\(pad(parts.tm_sec)).\(pad(ms % 1000, 3))Z"
  }
}
