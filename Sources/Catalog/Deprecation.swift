package import Inference
import Storage
import Store
import Wire

/// That a version shouldn't be used any more: since when, until when it can be, and what comes after it.
package struct Deprecation: Sendable {
  package struct Successor: Sendable {
    /// Nil for the same model.
    package let model: String?
    package let label: String

    package init(model: String?, label: String) {
      self.model = model
      self.label = label
    }
  }

  /// Milliseconds since 1970; may be still to come.
  package let sinceMs: Int
  /// When it will be archived, as far as one knows; nobody does it by themselves.
  package let sunsetMs: Int?
  package let successor: Successor?
  package let reason: String?

  /// Beyond it there is no date to write: the end of the year 9999.
  private static let lastMs = 253_402_300_799_999

  package init(sinceMs: Int, sunsetMs: Int?, successor: Successor?, reason: String?) throws(HostError) {
    guard sinceMs <= Self.lastMs, sunsetMs ?? 0 <= Self.lastMs else {
      throw HostError(.invalidRequest, "a date is milliseconds since 1970, before the year 10000")
    }
    guard sunsetMs ?? .max >= sinceMs else {
      throw HostError(.invalidRequest, "'sunsetMs' is before 'sinceMs': \(sunsetMs ?? 0) before \(sinceMs)")
    }
    guard reason?.utf8.count ?? 0 <= 1000 else {
      throw HostError(.invalidRequest, "'reason' has \(reason?.utf8.count ?? 0) bytes; at most 1000 are kept")
    }
    self.sinceMs = sinceMs
    self.sunsetMs = sunsetMs
    self.successor = successor
    self.reason = reason
  }

  /// What answers of the version tell their clients: RFC 9745, RFC 8594 and RFC 5829, each line with its CRLF.
  func headerLines(of model: String) -> [UInt8] {
    var text = "Deprecation: @\(sinceMs / 1000)\r\n"
    if let sunsetMs { text += "Sunset: \(CivilTime(seconds: sunsetMs / 1000).http)\r\n" }
    if let successor {
      let path = "/v2/models/\(Self.escaped(successor.model ?? model))/versions/\(Self.escaped(successor.label))"
      text += "Link: <\(path)>; rel=\"successor-version\"\r\n"
    }
    return Array(text.utf8)
  }

  /// One segment of a path; nothing of it can end a header.
  private static func escaped(_ segment: String) -> String {
    let digits = Array("0123456789ABCDEF")
    var result = ""
    for byte in segment.utf8 {
      let isPlain = (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
      if isPlain || "-._~".utf8.contains(byte) {
        result.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
      }
    }
    return result
  }

  var json: JSONValue {
    var members: [JSONValue.Member] = [.init("sinceMs", .integer(sinceMs))]
    if let sunsetMs { members.append(.init("sunsetMs", .integer(sunsetMs))) }
    if let successor {
      var parts: [JSONValue.Member] = [.init("version", .string(successor.label))]
      if let model = successor.model { parts.insert(.init("model", .string(model)), at: 0) }
      members.append(.init("successor", .object(parts)))
    }
    if let reason { members.append(.init("reason", .string(reason))) }
    return .object(members)
  }

  // MARK: Rows

  static let columns = "sinceMs, sunsetMs, successorModel, successor, reason"

  /// - Parameter index: Of the first of `columns`; nil where the row has none.
  static func read(_ row: Row, at index: Int) throws(HostError) -> Deprecation? {
    guard let sinceMs = try row.value(index, as: Int?.self) else { return nil }
    let model = try row.value(index + 2, as: String?.self)
    let successor = try row.value(index + 3, as: String?.self).map { Successor(model: model, label: $0) }
    return try Deprecation(
      sinceMs: sinceMs, sunsetMs: try row.value(index + 1), successor: successor, reason: try row.value(index + 4))
  }
}
