/// A JSON value as a tree: for manifests, configuration and control requests, not for tensors.
package enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  /// The digits as written: nothing is lost between text and use.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([Member])

  package struct Member: Sendable, Equatable {
    package var key: String
    package var value: JSONValue

    package init(_ key: String, _ value: JSONValue) {
      self.key = key
      self.value = value
    }
  }

  package init(parsing text: UnsafeRawBufferPointer) throws(JSONError) {
    var reader = JSONReader(text)
    self = try Self.read(&reader)
    try reader.end()
  }

  package init(parsing text: [UInt8]) throws(JSONError) {
    let result = text.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) -> Result<JSONValue, JSONError> in
      Result { () throws(JSONError) -> JSONValue in try JSONValue(parsing: bytes) }
    }
    self = try result.get()
  }

  package init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }

  /// Reads the value that `reader` stands at. A key that appears twice is an error.
  package static func read(_ reader: inout JSONReader) throws(JSONError) -> JSONValue {
    switch try reader.peek() {
    case .null:
      try reader.null()
      return .null
    case .bool: return .bool(try reader.bool())
    case .number: return .number(String(decoding: try reader.number(), as: UTF8.self))
    case .string: return .string(try reader.string().string)
    case .array:
      var elements: [JSONValue] = []
      try reader.beginArray()
      while try reader.nextElement() { elements.append(try read(&reader)) }
      return .array(elements)
    case .object:
      var members: [Member] = []
      var seen: Set<String> = []
      try reader.beginObject()
      while let text = try reader.nextKey() {
        let key = text.string
        guard seen.insert(key).inserted else { throw JSONError("key \"\(key)\" appears twice", at: text.offset) }
        members.append(Member(key, try read(&reader)))
      }
      return .object(members)
    }
  }

  /// A member of an object; nil for everything else.
  package subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  package var string: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }
  package var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }
  package var array: [JSONValue]? {
    guard case .array(let elements) = self else { return nil }
    return elements
  }
  package var members: [Member]? {
    guard case .object(let members) = self else { return nil }
    return members
  }
  /// Nil unless it is written as an integer that fits.
  package var int: Int? {
    guard case .number(let digits) = self else { return nil }
    return Int(digits)
  }
  package var double: Double? {
    guard case .number(let digits) = self else { return nil }
    return Double(digits)
  }

  /// The word for its kind in error messages.
  package var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }

  package func write(to out: ByteBuffer) {
    switch self {
    case .null: out.append("null")
    case .bool(let value): out.append(value ? "true" : "false")
    case .number(let digits): out.append(digits)
    case .string(let text): out.append(json: text)
    case .array(let elements):
      out.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        element.write(to: out)
      }
      out.append(UInt8(ascii: "]"))
    case .object(let members):
      out.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        out.append(json: member.key)
        out.append(UInt8(ascii: ":"))
        member.value.write(to: out)
      }
      out.append(UInt8(ascii: "}"))
    }
  }

  package var text: String {
    let out = ByteBuffer()
    write(to: out)
    return out.string
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .number(String(value)) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { Member($0.0, $0.1) })
  }

  package static func integer(_ value: some BinaryInteger) -> JSONValue { .number(String(value)) }
}
