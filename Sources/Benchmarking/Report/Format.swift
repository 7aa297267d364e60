import Glibc
import Wire

/// Numbers as people read them: three digits that count, and a unit that fits.
package enum Format {
  package static func time(_ nanoseconds: Double?) -> String {
    guard let nanoseconds else { return "-" }
    switch nanoseconds.magnitude {
    case ..<1000: return "\(number(nanoseconds)) ns"
    case ..<1_000_000: return "\(number(nanoseconds / 1000)) µs"
    case ..<1_000_000_000: return "\(number(nanoseconds / 1_000_000)) ms"
    default: return "\(number(nanoseconds / 1_000_000_000)) s"
    }
  }

  package static func bytes(_ count: Int?) -> String {
    guard let count else { return "-" }
    let mib = Double(count) / 1_048_576
    return mib < 1024 ? "\(number(mib)) MiB" : "\(number(mib / 1024)) GiB"
  }

  /// `1.24`, `0.0312`, `48,200`.
  package static func number(_ value: Double) -> String {
    guard value.magnitude < 1e15 else { return value.isNaN ? "-" : "∞" }
    if value == 0 { return "0" }
    let size = value.magnitude
    if size >= 1000 { return grouped(Int((value / unit(size)).rounded() * unit(size))) }
    if size < 0.001 { return scientific(value) }
    let digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : size >= 0.01 ? 4 : 5
    return fixed(value, digits)
  }

  /// One unit of the third digit.
  private static func unit(_ size: Double) -> Double { pow(10, floor(log10(size)) - 2) }

  package static func fixed(_ value: Double, _ digits: Int) -> String {
    // Beyond what an integer holds nobody wants digits.
    guard value.magnitude < 1e12 else { return value.isNaN ? "-" : "∞" }
    let scale = pow(10, Double(digits))
    let whole = Int((value.magnitude * scale).rounded())
    let sign = value < 0 && whole > 0 ? "-" : ""
    if digits == 0 { return "\(sign)\(whole)" }
    let text = String(whole)
    let padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
    return "\(sign)\(padded.dropLast(digits)).\(padded.suffix(digits))"
  }

  private static func scientific(_ value: Double) -> String {
    let exponent = floor(log10(value.magnitude))
    return "\(fixed(value / pow(10, exponent), 1))e\(Int(exponent))"
  }

  package static func percent(_ share: Double) -> String { "\(number(share * 100)) %" }

  /// `50.0 ms` as `50 ms`: an axis has round numbers.
  static func plain(_ text: String) -> String {
    let number = text.prefix { $0 != " " }
    guard number.contains(".") else { return text }
    var short = number
    while short.last == "0" { short.removeLast() }
    if short.last == "." { short.removeLast() }
    return String(short + text.dropFirst(number.count))
  }

  private static func grouped(_ value: Int) -> String {
    var digits = String(abs(value))
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits = String(digits.dropLast(3))
    }
    return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
  }
}

extension JSONValue {
  /// Null for what JSON has no number for.
  static func double(_ value: Double?) -> JSONValue {
    guard let value, value.isFinite else { return .null }
    return value == value.rounded() && value.magnitude < 1e15 ? .integer(Int(value)) : .number(value.description)
  }
}
