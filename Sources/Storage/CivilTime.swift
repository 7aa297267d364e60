import Glibc

/// A second of universal time, in the notations that providers use. Years 1970...9999.
package struct CivilTime: Sendable, Comparable {
  /// Since 1970, without leap seconds.
  package let seconds: Int

  package init(seconds: Int) { self.seconds = min(max(seconds, 0), 253_402_300_799) }

  static var now: CivilTime { CivilTime(seconds: time(nil)) }
  package static func < (one: Self, other: Self) -> Bool { one.seconds < other.seconds }
  static func + (time: Self, seconds: Int) -> Self { CivilTime(seconds: time.seconds + seconds) }

  /// As `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, IMF-fixdate).
  init?(http text: String) {
    let words = text.split(separator: " ")
    guard words.count == 6, let day = Int(words[1]), let month = Self.months.firstIndex(of: String(words[2])) else {
      return nil
    }
    self.init(year: Int(words[3]), month: month + 1, day: day, clock: words[4])
  }

  /// As `1994-11-06T08:49:37Z`; fractions of a second are dropped.
  package init?(iso8601 text: String) {
    let parts = text.split(separator: "T")
    guard parts.count == 2, parts[1].hasSuffix("Z") else { return nil }
    let day = parts[0].split(separator: "-").map { Int($0) }
    guard day.count == 3, let month = day[1], let number = day[2] else { return nil }
    self.init(year: day[0], month: month, day: number, clock: parts[1].dropLast().prefix(8))
  }

  private init?(year: Int?, month: Int, day: Int, clock: Substring) {
    let clock = clock.split(separator: ":").map { Int($0) }
    guard let year, clock.count == 3, let hour = clock[0], let minute = clock[1], let second = clock[2],
      (1970...9999).contains(year), (1...12).contains(month), (1...31).contains(day), (0...23).contains(hour),
      (0...59).contains(minute), (0...60).contains(second)
    else { return nil }
    var parts = tm()
    parts.tm_year = CInt(year - 1900)
    parts.tm_mon = CInt(month - 1)
    parts.tm_mday = CInt(day)
    parts.tm_hour = CInt(hour)
    parts.tm_min = CInt(minute)
    parts.tm_sec = CInt(second)
    self.init(seconds: timegm(&parts))
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]
  private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

  private var parts: tm {
    var seconds = seconds
    var parts = tm()
    gmtime_r(&seconds, &parts)
    return parts
  }

  private static func padded(_ number: some BinaryInteger) -> String { (number < 10 ? "0" : "") + String(number) }

  /// `19941106`
  var day: String {
    let parts = parts
    return "\(parts.tm_year + 1900)\(Self.padded(parts.tm_mon + 1))\(Self.padded(parts.tm_mday))"
  }

  /// `19941106T084937Z`
  var basic: String {
    let parts = parts
    return "\(day)T\(Self.padded(parts.tm_hour))\(Self.padded(parts.tm_min))\(Self.padded(parts.tm_sec))Z"
  }

  /// `Sun, 06 Nov 1994 08:49:37 GMT`
  package var http: String {
    let parts = parts
    let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { Self.padded($0) }.joined(separator: ":")
    let month = Self.months[Int(parts.tm_mon)]
    return
      "\(Self.weekdays[Int(parts.tm_wday)]), \(Self.padded(parts.tm_mday)) \(month) \(parts.tm_year + 1900) \(clock) GMT"
  }
}
