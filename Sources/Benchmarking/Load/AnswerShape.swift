import Glibc

/// Where an HTTP answer ends and what its status is, read from the bytes that have come so far.
enum AnswerShape: Equatable {
  /// More must come; `whole` bytes in all where that is known already, else 0.
  case partial(whole: Int)
  case whole(status: Int, headCount: Int, count: Int)
  case broken(String)

  private static let longestHead = 64 * 1024

  init(_ bytes: UnsafeRawBufferPointer) {
    guard let headCount = Self.end(of: bytes) else {
      self = bytes.count > Self.longestHead ? .broken("its head exceeds 64 KB") : .partial(whole: 0)
      return
    }
    let head = UnsafeRawBufferPointer(rebasing: bytes[..<headCount])
    guard head.count > 12, head.starts(with: "HTTP/1.".utf8), let status = Self.number(head[9..<12], radix: 10) else {
      self = .broken("it has no HTTP/1 status line")
      return
    }
    if let length = Self.value(of: "content-length", in: head) {
      guard let bodyCount = Self.number(length, radix: 10) else {
        self = .broken("its Content-Length is no number")
        return
      }
      let (whole, overflow) = headCount.addingReportingOverflow(bodyCount)
      if overflow {
        self = .broken("its Content-Length is too large")
      } else {
        self =
          bytes.count < whole
          ? .partial(whole: whole) : .whole(status: status, headCount: headCount, count: whole)
      }
    } else if Self.value(of: "transfer-encoding", in: head) != nil {
      self = Self.chunked(bytes, status, headCount)
    } else if status == 204 || status == 304 {
      self = .whole(status: status, headCount: headCount, count: headCount)
    } else {
      self = .broken("it has neither Content-Length nor chunks, so only closing the connection ends it")
    }
  }

  /// Walks over the chunks that are there.
  private static func chunked(_ bytes: UnsafeRawBufferPointer, _ status: Int, _ headCount: Int) -> AnswerShape {
    var position = headCount
    while true {
      guard let lineEnd = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { return .partial(whole: 0) }
      let digits = bytes[position..<lineEnd].prefix { isHexDigit($0) }
      guard let size = number(UnsafeRawBufferPointer(rebasing: digits)[...], radix: 16), size <= 1 << 40 else {
        return .broken("a chunk without a size")
      }
      position = lineEnd + 1
      if size == 0 {
        guard bytes.count >= position + 2 else { return .partial(whole: 0) }
        return bytes[position] == UInt8(ascii: "\r")
          ? .whole(status: status, headCount: headCount, count: position + 2) : .broken("it has trailers")
      }
      position += size + 2
      if position >= bytes.count { return .partial(whole: 0) }
    }
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (97...102).contains(byte | 0x20)
  }

  /// Bytes of the head, its empty line included.
  private static func end(of bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    var position = 0
    while position + 4 <= bytes.count, let found = memchr(base + position, 13, bytes.count - position - 3) {
      position = UnsafeRawPointer(found) - base
      if memcmp(base + position, "\r\n\r\n", 4) == 0 { return position + 4 }
      position += 1
    }
    return nil
  }

  /// The value of a header, without the spaces before it; `name` in lower case.
  private static func value(of name: StaticString, in head: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
    let wanted = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    var lineStart = 0
    while let end = head[lineStart...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = head[lineStart..<end]
      lineStart = end + 1
      guard line.count > wanted.count, line[line.startIndex + wanted.count] == UInt8(ascii: ":"),
        zip(line, wanted).allSatisfy({ $0 | 0x20 == $1 || $0 == $1 })
      else { continue }
      return line[(line.startIndex + wanted.count + 1)...].drop { $0 == 32 || $0 == 9 }
    }
    return nil
  }

  /// Digits alone, without a sign; spaces and the line's end behind them don't matter.
  private static func number(_ digits: Slice<UnsafeRawBufferPointer>, radix: Int) -> Int? {
    let text = digits.prefix { $0 != 13 && $0 != 32 }
    guard text.first != UInt8(ascii: "-"), text.first != UInt8(ascii: "+") else { return nil }
    return Int(String(decoding: text, as: UTF8.self), radix: radix)
  }
}
