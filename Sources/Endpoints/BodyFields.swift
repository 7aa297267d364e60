import Inference
import Wire

/// Members of a request's body, or of its query, each taken once; what nobody takes is refused.
struct BodyFields {
  private var members: [JSONValue.Member]

  init(_ body: JSONValue) throws(HostError) {
    guard let members = body.members else {
      throw HostError(.invalidRequest, "the body must be an object, not \(body.kindName)")
    }
    self.members = members
  }

  init(query members: [JSONValue.Member]) { self.members = members }

  func has(_ key: String) -> Bool { members.contains { $0.key == key } }

  mutating func value(_ key: String) -> JSONValue? {
    guard let index = members.firstIndex(where: { $0.key == key }) else { return nil }
    return members.remove(at: index).value
  }

  mutating func text(_ key: String) throws(HostError) -> String? {
    guard let value = value(key) else { return nil }
    guard let text = value.string else {
      throw HostError(.invalidRequest, "'\(key)' must be a string, not \(value.kindName)")
    }
    return text
  }

  mutating func need(_ key: String) throws(HostError) -> String {
    guard let text = try text(key) else { throw HostError(.invalidRequest, "'\(key)' is missing") }
    return text
  }

  /// Zero or more; of a query, digits.
  mutating func number(_ key: String) throws(HostError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let number = value.int ?? value.string.flatMap({ Int($0) }), number >= 0 else {
      throw HostError(.invalidRequest, "'\(key)' must be a whole number from 0 on, not \(value.text.excerpt)")
    }
    return number
  }

  static func members(of value: JSONValue, _ key: String) throws(HostError) -> [JSONValue.Member] {
    guard let members = value.members else {
      throw HostError(.invalidRequest, "'\(key)' must be an object, not \(value.kindName)")
    }
    return members
  }

  func end() throws(HostError) {
    guard let first = members.first else { return }
    throw HostError(.invalidRequest, "'\(first.key.excerpt)' is not known here")
  }
}
