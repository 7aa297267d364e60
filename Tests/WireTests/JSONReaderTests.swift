import Testing

@testable import Wire

@Suite struct `Reading JSON` {
  @Test(arguments: [
    "null", "true", " false ", "0", "-0", "1.5e-3", "1E+2", "[]", "{}", "[[],[{}]]", "\"\"",
    #""\"\\\/\b\f\n\r\t\u00e9""#,
    #""\ud83d\ude00""#, "\"é€😀\"", "{\"a\":1,\"b\":[true,null]}", "\t[ 1 , 2 ]\r\n", "{\"\":{\"\":0}}", "\"\u{7f}\"",
    "[NaN,Infinity,-Infinity]", "123456789012345678901234567890",
  ])
  func `what RFC 8259 allows is read`(text: String) throws {
    _ = try JSONValue(parsing: text)
    var reader = Array(text.utf8)
    try reader.withUnsafeMutableBytes { bytes in
      var reader = JSONReader(UnsafeRawBufferPointer(bytes))
      try reader.skipValue()
      try reader.end()
    }
  }

  @Test(arguments: [
    "", " ", "nul", "truee", "True", "01", "1.", ".5", "+1", "-", "1e", "0x10", "1 2", "[1,]", "[,1]", "[1 2]", "[",
    "]",
    "[1", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "[1}", "{\"a\":1]",
    "\"", "\"abc", #""\"#, #""\x""#, #""\u12""#, #""\u12g4""#, #""\ud800""#, #""\udc00""#, #""\ud800\u0041""#,
    #""\ud800\ud800""#, #""\ud800x""#, "\"a\nb\"", "\"long enough for a word\u{1}\"", "'a'", "//\n1", "1//",
    "\u{feff}1",
    "[1]]", "nan", "inf", "-NaN", "+Infinity",
  ])
  func `what it forbids is refused inside the text`(text: String) {
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    #expect((0...text.utf8.count).contains(error?.offset ?? -1))
  }

  @Test(
    arguments: [
      [0x80], [0xC0, 0x80], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80],
      [0xF4, 0x90, 0x80, 0x80],
      [0xFF], [0xF8, 0x88, 0x80, 0x80, 0x80],
    ] as [[UInt8]])
  func `strings that are not UTF-8 are refused`(bytes: [UInt8]) {
    for padding in 0..<17 {
      let around = [UInt8](repeating: 0x61, count: padding)
      #expect(throws: JSONError("a string is not UTF-8", at: 1)) {
        try JSONValue(parsing: [0x22] + around + bytes + around + [0x22])
      }
    }
  }

  @Test func `a string ends at the right quote whatever its length`() throws {
    for length in 0..<40 {
      for character in ["a", "é", "\u{7f}", "!", "#", "[", "]"] {
        let text = String(repeating: character, count: length)
        #expect(try JSONValue(parsing: "\"\(text)\"") == .string(text))
        #expect(try JSONValue(parsing: "[\"\(text)\\n\",\"\(text)\"]") == [.string(text + "\n"), .string(text)])
        #expect(throws: JSONError.self) { try JSONValue(parsing: "\"\(text)\u{1f}\"") }
      }
    }
  }

  @Test func `surrogate pairs become one character`() throws {
    #expect(try JSONValue(parsing: #""\ud83d\ude00\uD834\udd1e""#).string == "😀𝄞")
    #expect(try JSONValue(parsing: #""\u0000\u007f\u0080\uffff""#).string == "\0\u{7f}\u{80}\u{ffff}")
  }

  @Test func `nesting beyond the limit is refused`() throws {
    let limit = JSONReader.depthLimit
    _ = try JSONValue(parsing: String(repeating: "[", count: limit) + String(repeating: "]", count: limit))
    let deeper = String(repeating: "[", count: limit + 1)
    #expect(throws: JSONError("nested deeper than \(limit)", at: limit)) { try JSONValue(parsing: deeper) }
  }

  @Test func `a key that appears twice is refused, escaped or not`() {
    #expect(throws: JSONError("key \"a\" appears twice", at: 7)) { try JSONValue(parsing: #"{"a":1,"a":2}"#) }
    #expect(throws: JSONError("key \"a\" appears twice", at: 7)) { try JSONValue(parsing: #"{"a":1,"\u0061":2}"#) }
  }

  @Test func `keys are compared decoded`() throws {
    let text = Array(#""n\u0061me""#.utf8)
    try text.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) throws -> Void in
      var reader = JSONReader(bytes)
      let key = try reader.string()
      #expect(key.equals("name") && !key.equals("nbme") && !key.equals("n\\u0061me"))
    }
  }

  private func integer<T: FixedWidthInteger>(_ text: String, as type: T.Type) throws -> T {
    try Array(text.utf8).withUnsafeBytes { (bytes: UnsafeRawBufferPointer) throws -> T in
      var reader = JSONReader(bytes)
      return try reader.integer(T.self)
    }
  }

  @Test func `integers are exact to both ends`() throws {
    #expect(try integer("-9223372036854775808", as: Int64.self) == .min)
    #expect(try integer("18446744073709551615", as: UInt64.self) == .max)
    #expect(try integer("-128", as: Int8.self) == .min)
    for text in ["-9223372036854775809", "9223372036854775808", "1.0", "1e2", "NaN", "-Infinity", "\"1\""] {
      #expect(throws: JSONError.self) { try integer(text, as: Int64.self) }
    }
    #expect(throws: JSONError.self) { try integer("-1", as: UInt8.self) }
    #expect(throws: JSONError.self) { try integer("256", as: UInt8.self) }
  }
}
