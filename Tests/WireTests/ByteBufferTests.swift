import Testing

@testable import Wire

@Suite struct `A byte buffer` {
  @Test func `keeps its content while it grows`() {
    let buffer = ByteBuffer(capacity: 1)
    var wanted: [UInt8] = []
    for index in 0..<10_000 {
      buffer.append(UInt8(truncatingIfNeeded: index))
      wanted.append(UInt8(truncatingIfNeeded: index))
    }
    #expect(buffer.bytes.elementsEqual(wanted))
    #expect(Int(bitPattern: buffer.base) % 64 == 0)
    #expect(buffer.capacity < 4 * wanted.count)
  }

  @Test func `drops its front`() {
    let buffer = ByteBuffer()
    buffer.append("hello world")
    buffer.removeFirst(6)
    #expect(buffer.string == "world")
    buffer.removeFirst(0)
    #expect(buffer.string == "world")
    buffer.removeFirst(5)
    #expect(buffer.count == 0 && buffer.string.isEmpty)
  }

  @Test func `prints integers in decimal`() {
    let buffer = ByteBuffer()
    for value in [0, 7, -7, 10, 99, 100, Int64.max, Int64.min] {
      buffer.append(decimal: value)
      buffer.append(UInt8(ascii: " "))
    }
    buffer.append(decimal: UInt64.max)
    #expect(buffer.string == "0 7 -7 10 99 100 9223372036854775807 -9223372036854775808 18446744073709551615")
  }

  @Test func `escapes what JSON strings can't hold`() {
    let buffer = ByteBuffer()
    buffer.append(json: "a\"b\\c/\n\r\t\0\u{1f}\u{7f}é😀")
    #expect(buffer.string == #""a\"b\\c/\n\r\t\u0000\u001f"# + "\u{7f}é😀\"")
    buffer.removeAll()
    buffer.append(json: "")
    #expect(buffer.string == "\"\"")
  }
}
