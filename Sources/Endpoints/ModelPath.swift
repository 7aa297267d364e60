import Glibc
import Routing
import Wire

/// `/v2/models/<name>[/versions/<version>][/<verb>]`, as places in the request's buffer.
struct ModelPath {
  private(set) var name: UnsafeRawBufferPointer
  private(set) var version = VersionName.preferred
  /// What is asked for: `infer`, `ready`, …; empty for the metadata.
  private(set) var verb: UnsafeRawBufferPointer
  /// Digits that don't fit a version number.
  private(set) var hasHugeVersion = false

  static let prefix: StaticString = "/v2/models/"

  /// Nil for every other path.
  @inline(__always)
  init?(_ path: UnsafeRawBufferPointer) {
    let prefixCount = Self.prefix.utf8CodeUnitCount
    guard path.count > prefixCount, memcmp(path.baseAddress!, Self.prefix.utf8Start, prefixCount) == 0 else {
      return nil
    }
    var rest = UnsafeRawBufferPointer(rebasing: path[prefixCount...])
    name = Self.segment(&rest)
    guard !name.isEmpty else { return nil }
    if Self.equal(Self.peek(rest), "versions") {
      _ = Self.segment(&rest)
      let digits = Self.segment(&rest)
      guard !digits.isEmpty else { return nil }
      guard digits.allSatisfy({ $0 >= 48 && $0 <= 57 }) else {
        version = .word(digits)
        verb = rest
        return
      }
      var number = 0
      for digit in digits {
        let (shifted, overflow) = number.multipliedReportingOverflow(by: 10)
        let (sum, carry) = shifted.addingReportingOverflow(Int(digit - 48))
        number = sum
        hasHugeVersion = hasHugeVersion || overflow || carry
      }
      version = .number(number)
    }
    verb = rest
  }

  /// Of a request that will likely ask for a run; nil for others.
  ///
  /// - Parameter input: What has come so far.
  @inline(__always)
  static func name(inFirstLine input: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    let count = start.utf8CodeUnitCount
    guard input.count > count, memcmp(input.baseAddress!, start.utf8Start, count) == 0,
      let slash = memchr(input.baseAddress! + count, 47, min(input.count - count, longestExpected))
    else { return nil }
    return UnsafeRawBufferPointer(rebasing: input[count..<UnsafeRawPointer(slash) - input.baseAddress!])
  }

  private static let start: StaticString = "POST /v2/models/"
  private static let longestExpected = 64

  /// Takes what stands before the next slash, and that slash.
  @inline(__always)
  private static func segment(_ rest: inout UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    let head = peek(rest)
    rest = UnsafeRawBufferPointer(rebasing: rest[min(head.count + 1, rest.count)...])
    return head
  }

  @inline(__always)
  private static func peek(_ rest: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    guard let start = rest.baseAddress, let slash = memchr(start, 47, rest.count) else { return rest }
    return UnsafeRawBufferPointer(start: start, count: UnsafeRawPointer(slash) - start)
  }

  @inline(__always)
  static func equal(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
    bytes.count == word.utf8CodeUnitCount
      && (bytes.isEmpty || memcmp(bytes.baseAddress!, word.utf8Start, bytes.count) == 0)
  }

  func asks(for word: StaticString) -> Bool { Self.equal(verb, word) }
}

/// Percent-decoding of one path segment.
enum PercentCoding {
  enum Result {
    case plain
    /// Decoded into the buffer.
    case decoded
    /// A broken escape, a NUL, or what isn't UTF-8.
    case malformed
    /// `.`, `..` or a slash: names that no model has.
    case forbidden
  }

  static func decode(_ segment: UnsafeRawBufferPointer, into out: ByteBuffer) -> Result {
    if !segment.contains(UInt8(ascii: "%")) {
      if ModelPath.equal(segment, ".") || ModelPath.equal(segment, "..") { return .forbidden }
      return .plain
    }
    out.removeAll()
    var index = 0
    while index < segment.count {
      var byte = segment[index]
      if byte == UInt8(ascii: "%") {
        guard index + 2 < segment.count, let high = nibble(segment[index + 1]), let low = nibble(segment[index + 2])
        else { return .malformed }
        byte = high << 4 | low
        index += 2
      }
      if byte == 0 { return .malformed }
      if byte == UInt8(ascii: "/") { return .forbidden }
      out.append(byte)
      index += 1
    }
    guard String(validating: out.bytes, as: UTF8.self) != nil else { return .malformed }
    if ModelPath.equal(out.bytes, ".") || ModelPath.equal(out.bytes, "..") { return .forbidden }
    return .decoded
  }

  private static func nibble(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 65...70: byte - 55
    case 97...102: byte - 87
    default: nil
    }
  }
}
