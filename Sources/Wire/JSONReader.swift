import Glibc

/// What is wrong with a JSON text, and where.
package struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  package let message: String
  /// Bytes from the start of the text.
  package let offset: Int

  package init(_ message: String, at offset: Int) {
    self.message = message
    self.offset = offset
  }

  package var description: String { "\(message) at byte \(offset)" }
}

/// A string as it stands in the text: the bytes between its quotes, escapes and all.
package struct JSONText {
  package let bytes: UnsafeRawBufferPointer
  package let hasEscapes: Bool
  package let offset: Int

  /// Compares without decoding; a text with escapes is decoded first.
  @inline(__always)
  package func equals(_ other: UnsafeRawBufferPointer) -> Bool {
    if hasEscapes { return decodedEquals(other) }
    guard bytes.count == other.count else { return false }
    return bytes.isEmpty || memcmp(bytes.baseAddress!, other.baseAddress!, bytes.count) == 0
  }

  @inline(__always)
  package func equals(_ other: StaticString) -> Bool {
    equals(UnsafeRawBufferPointer(start: other.utf8Start, count: other.utf8CodeUnitCount))
  }

  @inline(never)
  private func decodedEquals(_ other: UnsafeRawBufferPointer) -> Bool {
    let decoded = ByteBuffer(capacity: bytes.count)
    appendDecoded(to: decoded)
    return decoded.bytes.elementsEqual(other)
  }

  package var string: String {
    if !hasEscapes { return String(decoding: bytes, as: UTF8.self) }
    let decoded = ByteBuffer(capacity: bytes.count)
    appendDecoded(to: decoded)
    return decoded.string
  }

  /// Appends the UTF-8 that the string stands for. The reader has checked every escape.
  package func appendDecoded(to out: ByteBuffer) {
    guard hasEscapes else {
      out.append(bytes)
      return
    }
    out.reserve(bytes.count)
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      guard byte == UInt8(ascii: "\\") else {
        out.append(byte)
        index += 1
        continue
      }
      index += 2
      switch bytes[index - 1] {
      case UInt8(ascii: "n"): out.append(10)
      case UInt8(ascii: "t"): out.append(9)
      case UInt8(ascii: "r"): out.append(13)
      case UInt8(ascii: "b"): out.append(8)
      case UInt8(ascii: "f"): out.append(12)
      case UInt8(ascii: "u"):
        var scalar = hexadecimal(at: index)
        index += 4
        if scalar & 0xFC00 == 0xD800 {
          scalar = 0x10000 + ((scalar & 0x3FF) << 10) + (hexadecimal(at: index + 2) & 0x3FF)
          index += 6
        }
        let character = Unicode.Scalar(scalar) ?? "\u{FFFD}"
        for unit in UTF8.encode(character)! { out.append(unit) }
      case let plain: out.append(plain)
      }
    }
  }

  private func hexadecimal(at index: Int) -> UInt32 {
    var value: UInt32 = 0
    for offset in 0..<4 { value = value << 4 | UInt32(JSONReader.hexadecimal(bytes[index + offset]) ?? 0) }
    return value
  }
}

/// Reads one JSON text front to back, in place, without building a tree.
///
/// RFC 8259, and `NaN`, `Infinity`, `-Infinity` as numbers (Python's and RapidJSON's dialect, which clients send).
/// The bytes must outlive the reader and every `JSONText` from it.
package struct JSONReader {
  package enum Kind { case object, array, string, number, bool, null }

  /// Deeper nesting is refused: hostile input must not cost a stack.
  package static let depthLimit = 100

  @usableFromInline let start: UnsafePointer<UInt8>
  package let count: Int
  package var position = 0
  /// Open containers.
  package private(set) var depth = 0
  /// True right behind `{`, `[`: the next member comes without a comma.
  private var isFirst = true

  package init(_ text: UnsafeRawBufferPointer) {
    let bound = text.bindMemory(to: UInt8.self)
    start = bound.baseAddress ?? UnsafePointer(bitPattern: 1)!
    count = bound.count
  }

  package var remaining: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start + position, count: count - position)
  }

  @inline(__always)
  package mutating func skipWhitespace() {
    while position < count {
      let byte = start[position]
      guard byte == 32 || byte == 10 || byte == 13 || byte == 9 else { return }
      position += 1
    }
  }

  @inline(never)
  package func failure(_ message: String) -> JSONError {
    if position >= count { return JSONError("JSON ends too early", at: position) }
    return JSONError(message, at: position)
  }

  /// What the next value is.
  @inline(__always)
  package mutating func peek() throws(JSONError) -> Kind {
    skipWhitespace()
    guard position < count else { throw failure("a value is missing") }
    switch start[position] {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "N"), UInt8(ascii: "I"): return .number
    default: throw failure("a value can't start with this character")
    }
  }

  @inline(__always)
  private mutating func open(_ character: UInt8, _ message: StaticString) throws(JSONError) {
    skipWhitespace()
    guard position < count, start[position] == character else { throw failure("\(message)") }
    guard depth < Self.depthLimit else { throw failure("nested deeper than \(Self.depthLimit)") }
    position += 1
    depth += 1
    isFirst = true
  }

  package mutating func beginObject() throws(JSONError) { try open(UInt8(ascii: "{"), "an object is wanted") }
  package mutating func beginArray() throws(JSONError) { try open(UInt8(ascii: "["), "an array is wanted") }

  /// True if another member follows; false after taking the closing character.
  @inline(__always)
  private mutating func next(closing: UInt8) throws(JSONError) -> Bool {
    skipWhitespace()
    guard position < count else { throw failure("") }
    if start[position] == closing {
      position += 1
      depth -= 1
      isFirst = false
      return false
    }
    if isFirst {
      isFirst = false
      return true
    }
    guard start[position] == UInt8(ascii: ",") else { throw failure("a comma is missing") }
    position += 1
    skipWhitespace()
    if position < count && start[position] == closing { throw failure("a value is missing behind the comma") }
    return true
  }

  /// The next member's key, or nil at the object's end.
  @inline(__always)
  package mutating func nextKey() throws(JSONError) -> JSONText? {
    guard try next(closing: UInt8(ascii: "}")) else { return nil }
    let key = try string()
    skipWhitespace()
    guard position < count, start[position] == UInt8(ascii: ":") else { throw failure("a colon is missing") }
    position += 1
    return key
  }

  /// True if an element follows; false at the array's end.
  @inline(__always)
  package mutating func nextElement() throws(JSONError) -> Bool { try next(closing: UInt8(ascii: "]")) }

  /// Tells the reader that somebody else read elements of the open array up to `newPosition`.
  package mutating func resume(at newPosition: Int, behindElement: Bool) {
    position = newPosition
    isFirst = !behindElement
  }

  package mutating func string() throws(JSONError) -> JSONText {
    skipWhitespace()
    guard position < count, start[position] == UInt8(ascii: "\"") else { throw failure("a string is wanted") }
    position += 1
    let first = position
    var hasEscapes = false
    var highBits: UInt64 = 0
    while true {
      skipPlain(&highBits)
      guard position < count else { throw failure("") }
      switch start[position] {
      case UInt8(ascii: "\""):
        let bytes = UnsafeRawBufferPointer(start: start + first, count: position - first)
        position += 1
        if highBits & Self.highBits != 0 && !Self.isValidUTF8(bytes) {
          throw JSONError("a string is not UTF-8", at: first)
        }
        return JSONText(bytes: bytes, hasEscapes: hasEscapes, offset: first - 1)
      case UInt8(ascii: "\\"):
        hasEscapes = true
        try checkEscape()
      default: throw failure("a control character in a string must be escaped")
      }
    }
  }

  private static let highBits: UInt64 = 0x8080_8080_8080_8080

  /// Moves to the next quote, backslash or control character, eight bytes at a time; ORs the bytes it passes into `seen`.
  @inline(__always)
  private mutating func skipPlain(_ seen: inout UInt64) {
    let ones: UInt64 = 0x0101_0101_0101_0101
    while count - position >= 8 {
      let word = UInt64(littleEndian: UnsafeRawPointer(start + position).loadUnaligned(as: UInt64.self))
      let quote = word ^ (ones &* 0x22)
      let backslash = word ^ (ones &* 0x5C)
      // The high bit of every byte that is below 0x20, or becomes 0; borrows reach only bytes behind the first one.
      let stops =
        (((word &- (ones &* 0x20)) & ~word) | ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash))
        & Self.highBits
      guard stops == 0 else {
        let bits = UInt64(stops.trailingZeroBitCount & ~7)
        seen |= word & ((1 << bits) &- 1)
        position += Int(bits >> 3)
        return
      }
      seen |= word
      position += 8
    }
    while position < count {
      let byte = start[position]
      guard byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") else { return }
      seen |= UInt64(byte)
      position += 1
    }
  }

  private mutating func checkEscape() throws(JSONError) {
    guard position + 1 < count else {
      position = count
      throw failure("")
    }
    switch start[position + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 2
    case UInt8(ascii: "u"):
      let unit = try codeUnit(at: position + 2)
      position += 6
      if unit & 0xFC00 == 0xDC00 { throw failure("a low surrogate stands alone") }
      if unit & 0xFC00 == 0xD800 {
        guard position + 1 < count, start[position] == UInt8(ascii: "\\"), start[position + 1] == UInt8(ascii: "u"),
          try codeUnit(at: position + 2) & 0xFC00 == 0xDC00
        else { throw failure("a high surrogate stands alone") }
        position += 6
      }
    default: throw failure("an unknown escape")
    }
  }

  private func codeUnit(at index: Int) throws(JSONError) -> UInt32 {
    guard index + 4 <= count else { throw JSONError("JSON ends too early", at: count) }
    var value: UInt32 = 0
    for offset in 0..<4 {
      guard let digit = Self.hexadecimal(start[index + offset]) else {
        throw JSONError("four hexadecimal digits are wanted", at: index)
      }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  private static func isValidUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    (try? UTF8Span(validating: bytes.bindMemory(to: UInt8.self).span)) != nil
  }

  mutating func take(_ word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard count - position >= length, memcmp(start + position, word.utf8Start, length) == 0 else { return false }
    position += length
    return true
  }

  package mutating func bool() throws(JSONError) -> Bool {
    skipWhitespace()
    if take("true") { return true }
    if take("false") { return false }
    throw failure("true or false is wanted")
  }

  package mutating func null() throws(JSONError) {
    skipWhitespace()
    guard take("null") else { throw failure("null is wanted") }
  }

  /// Skips one value of any kind, checking its grammar.
  package mutating func skipValue() throws(JSONError) {
    switch try peek() {
    case .string: _ = try string()
    case .number: _ = try number()
    case .bool: _ = try bool()
    case .null: try null()
    case .object:
      try beginObject()
      while try nextKey() != nil { try skipValue() }
    case .array:
      try beginArray()
      while try nextElement() { try skipValue() }
    }
  }

  /// Nothing but white space may follow.
  package mutating func end() throws(JSONError) {
    skipWhitespace()
    guard position == count else { throw failure("text follows the JSON value") }
  }
}
