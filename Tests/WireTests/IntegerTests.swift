import Testing

@testable import Wire

@Suite struct `Reading and printing integers` {
  private func checkExtremes<T: FixedWidthInteger>(_ type: T.Type, _ format: NumberFormat) {
    var random = seeded("\(T.self)")
    let values: [T] =
      [.min, .max, 0, 1, .max / 10, .min / 10, .min + 1, .max - 1]
      + (0..<5000).map { _ in
        T.random(in: .min ... .max, using: &random) >> T(Int.random(in: 0..<T.bitWidth, using: &random))
      }
    let text = printNumbers(values, format)
    #expect(text == values.map { String($0) }.joined(separator: ","))
    let back = readNumbers(text + " ]", format, as: T.self, capacity: values.count)
    #expect(back.values == values)
    #expect(back.error == nil)
    #expect(back.position == text.utf8.count + 1)
    for (outside, inside) in [(more(T.max), T.max), (T.min == 0 ? "-1" : more(T.min), T.min)] {
      for padding in ["", String(repeating: ",7", count: 40)] {
        let error = readNumbers("\(inside), \(outside)\(padding)]", format, as: T.self).error
        #expect(error?.message == "the number doesn't fit \(format.name)")
        #expect(error?.offset == String(inside).utf8.count + 2)
      }
    }
  }

  /// One further from zero, in decimal; no type ends in 9.
  private func more(_ value: some FixedWidthInteger) -> String {
    var digits = Array(String(value).utf8)
    digits[digits.count - 1] += 1
    return String(decoding: digits, as: UTF8.self)
  }

  @Test func `the ends of every type are read and printed, and one more is refused`() {
    checkExtremes(Int8.self, .i8)
    checkExtremes(Int16.self, .i16)
    checkExtremes(Int32.self, .i32)
    checkExtremes(Int64.self, .i64)
    checkExtremes(UInt8.self, .u8)
    checkExtremes(UInt16.self, .u16)
    checkExtremes(UInt32.self, .u32)
    checkExtremes(UInt64.self, .u64)
  }

  @Test func `64-bit integers never pass through a double`() {
    #expect(readNumbers("9007199254740993]", .i64, as: Int64.self).values == [9_007_199_254_740_993])
    #expect(readNumbers("18446744073709551615]", .u64, as: UInt64.self).values == [.max])
    #expect(readNumbers("184467440737095516150]", .u64, as: UInt64.self).error?.offset == 0)
  }

  @Test(arguments: ["1.5", "2.0", "1e3", "1E3", "123456789.5"]) func `a fraction or exponent is refused`(text: String) {
    let padding = String(repeating: ",7", count: 40)
    for suffix in ["]", padding + "]"] {
      let error = readNumbers("4, \(text)\(suffix)", .i32, as: Int32.self).error
      #expect(error?.message == "a 32-bit integer is wanted, not a fraction or exponent")
      #expect(error?.offset == 3 + text.prefix { $0.isNumber }.utf8.count)
    }
  }

  @Test func `minus zero is zero`() {
    #expect(readNumbers("-0]", .u8, as: UInt8.self).values == [0])
    #expect(readNumbers("-0, 1]", .i64, as: Int64.self).values == [0, 1])
  }

  @Test func `booleans are words`() {
    let values: [UInt8] = [1, 0, 0, 1]
    #expect(printNumbers(values, .bool) == "true,false,false,true")
    #expect(readNumbers("true,false , false,\ttrue]", .bool, as: UInt8.self).values == values)
    let error = readNumbers("true,fals]", .bool, as: UInt8.self).error
    #expect(error == JSONError("true or false is wanted", at: 9))
    #expect(readNumbers("1,0]", .bool, as: UInt8.self).error?.offset == 0)
  }

  @Test func `many elements are printed in chunks without a seam`() {
    let values = (0..<20_000).map { Int32($0) }
    #expect(printNumbers(values, .i32) == values.map { String($0) }.joined(separator: ","))
    #expect(printNumbers([] as [Int32], .i32).isEmpty)
  }
}
