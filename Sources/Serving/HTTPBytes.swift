import Glibc

/// The small grammars of HTTP header values, over raw bytes.
package enum HTTPBytes {
  /// RFC 9110 section 5.6.2, one bit a byte value.
  private static let tokenBits: (UInt64, UInt64) = {
    var bits: (UInt64, UInt64) = (0, 0)
    for byte in "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8 {
      if byte < 64 { bits.0 |= 1 << UInt64(byte) } else { bits.1 |= 1 << UInt64(byte - 64) }
    }
    return bits
  }()

  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    // Letters, digits and '-' are nearly all there is.
    let lower = byte | 0x20
    if (lower >= 97 && lower <= 122) || (byte >= 48 && byte <= 57) || byte == 45 { return true }
    guard byte < 128 else { return false }
    return (byte < 64 ? tokenBits.0 >> UInt64(byte) : tokenBits.1 >> UInt64(byte - 64)) & 1 == 1
  }

  @inline(__always) static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }
  @inline(__always) static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }
  @inline(__always) static func isControl(_ byte: UInt8) -> Bool { (byte < 32 && byte != 9) || byte == 127 }

  /// Digits only, at most 18 of them, so that sums can't overflow.
  package static func decimal(_ value: UnsafeRawBufferPointer) -> Int? {
    guard (1...18).contains(value.count) else { return nil }
    var number = 0
    for byte in value {
      guard isDigit(byte) else { return nil }
      number = number * 10 + Int(byte - 48)
    }
    return number
  }

  package static func equal(_ value: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
    value.count == word.utf8CodeUnitCount
      && (value.isEmpty
        || strncasecmp(
          value.baseAddress!.assumingMemoryBound(to: CChar.self),
          UnsafeRawPointer(word.utf8Start).assumingMemoryBound(to: CChar.self), value.count) == 0)
  }

  /// Whether a Host header's value means this machine: `localhost`, `127.…` or `[::1]`, with or without a port.
  static func isLoopbackHost(_ value: UnsafeRawBufferPointer) -> Bool {
    var name = value
    if let colon = value.lastIndex(of: UInt8(ascii: ":")), value.last != UInt8(ascii: "]") {
      name = UnsafeRawBufferPointer(rebasing: value[..<colon])
    }
    if equal(name, "localhost") || equal(name, "[::1]") { return true }
    return name.starts(with: "127.".utf8) && name.allSatisfy { isDigit($0) || $0 == UInt8(ascii: ".") }
  }

  /// Calls `body` with each non-empty element of a comma-separated list.
  private static func forEachElement(
    _ value: UnsafeRawBufferPointer, separator: UInt8 = UInt8(ascii: ","), _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    for part in value.split(separator: separator) {
      var first = part.startIndex
      var last = part.endIndex
      while first < last && isSpace(value[first]) { first += 1 }
      while last > first && isSpace(value[last - 1]) { last -= 1 }
      if first < last { body(UnsafeRawBufferPointer(rebasing: value[first..<last])) }
    }
  }

  static func list(_ value: UnsafeRawBufferPointer, contains word: StaticString) -> Bool {
    if equal(value, word) { return true }
    var found = false
    forEachElement(value) { if equal($0, word) { found = true } }
    return found
  }

  /// Whether an `Accept` names this very media type, with any weight but 0.
  static func accepts(_ value: UnsafeRawBufferPointer, _ type: StaticString) -> Bool {
    var isWanted = false
    forEachElement(value) { element in
      var isFirst = true
      var isNamed = false
      var weight = 1000
      forEachElement(element, separator: UInt8(ascii: ";")) { part in
        if isFirst {
          isNamed = equal(part, type)
          isFirst = false
        } else if part.count > 2, part[0] | 0x20 == UInt8(ascii: "q"), part[1] == UInt8(ascii: "=") {
          weight = thousandths(UnsafeRawBufferPointer(rebasing: part[2...]))
        }
      }
      if isNamed { isWanted = weight > 0 }
    }
    return isWanted
  }

  /// The coding a `Content-Encoding` names.
  static func coding(_ value: UnsafeRawBufferPointer) -> ContentCoding {
    if value.isEmpty || equal(value, "identity") { return .identity }
    if equal(value, "gzip") || equal(value, "x-gzip") { return .gzip }
    if equal(value, "deflate") { return .deflate }
    return .unknown
  }

  /// The most wanted of identity, gzip and deflate; the first of equals. `*` and unknown codings count for nothing.
  static func preferredCoding(_ value: UnsafeRawBufferPointer) -> ContentCoding {
    var best = ContentCoding.identity
    var bestWeight = 0
    forEachElement(value) { element in
      var name = element
      var weight = 1000
      var isFirst = true
      forEachElement(element, separator: UInt8(ascii: ";")) { part in
        if isFirst {
          name = part
          isFirst = false
        } else if part.count > 2, part[0] | 0x20 == UInt8(ascii: "q"), part[1] == UInt8(ascii: "=") {
          weight = thousandths(UnsafeRawBufferPointer(rebasing: part[2...]))
        }
      }
      let coding = equal(name, "identity") ? ContentCoding.identity : coding(name)
      guard coding != .unknown, weight > bestWeight else { return }
      best = coding
      bestWeight = weight
    }
    return best
  }

  /// `0.5` as 500; 0 for what isn't a weight.
  private static func thousandths(_ text: UnsafeRawBufferPointer) -> Int {
    guard let first = text.first, first == 48 || first == 49 else { return 0 }
    var weight = Int(first - 48) * 1000
    var scale = 100
    guard text.count == 1 || text[1] == UInt8(ascii: ".") else { return 0 }
    for byte in text.dropFirst(2) {
      guard isDigit(byte) else { return 0 }
      weight += Int(byte - 48) * scale
      scale /= 10
    }
    return min(weight, 1000)
  }
}
