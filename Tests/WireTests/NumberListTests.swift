import Testing

@testable import Wire

@Suite struct `Lists of numbers` {
  static let padding = String(repeating: ",7", count: 40)  // long enough for the quick path

  @Test(arguments: [
    ("1.5,2]", 2, 5), ("1 , 2 ]", 2, 6), ("1,[2]", 1, 1), ("1 ,[2]", 1, 2), ("1,]", 1, 1), ("1,x", 1, 1),
    ("\n\t\r 3\n]", 1, 6), ("1 2", 1, 2), ("5]],[6", 1, 1), ("1,\"a\"]", 1, 1), ("2}", 1, 1),
  ])
  func `stop where something else comes`(text: String, count: Int, position: Int) {
    for suffix in ["", Self.padding] where !(text == "1 2" && suffix.isEmpty) {
      let read = readNumbers(text + suffix, .f64, as: Double.self)
      #expect(read.error == nil)
      #expect(read.values.count == count)
      #expect(read.position == position)
    }
  }

  @Test(arguments: [
    ("01", 1), ("-", 1), ("-x", 1), (".5", 0), ("+1", 0), ("1.", 2), ("1.x", 2), ("1e", 2), ("1e+", 3), ("1ex", 2),
    ("-01", 2), ("00", 1), ("nan", 0), ("inf", 0), ("Infinit", 0), ("--1", 1), ("[1", 0), ("\"1\"", 0),
    ("1..2", 2), ("-.5", 1), ("-Infinit", 1), ("\u{661}", 0), ("null", 0), ("true", 0),
  ])
  func `anything but a JSON number is refused where it goes wrong`(text: String, offset: Int) {
    for (prefix, suffix) in [("", "]"), ("8, ", "]"), ("8,", Self.padding + "]"), ("", Self.padding + "]")] {
      let read = readNumbers(prefix + text + suffix, .f32, as: Float.self)
      // What can't start a number is judged by the caller when it comes behind a comma.
      if !prefix.isEmpty && !"-0123456789NI".contains(text.first!) {
        #expect(read.error == nil && read.position == 1)
      } else {
        #expect(read.error == JSONError("a 32-bit float is wanted", at: prefix.utf8.count + offset), "\(prefix + text)")
      }
    }
  }

  @Test(arguments: ["", " ", "1", "1.5 ", "1,", "1, ", "-", "1.", "1e", "12345678901234567890"])
  func `a text that ends too early says so`(text: String) {
    for format in [NumberFormat.f32, .f64] {
      let read = readNumbers(text, format, as: UInt8.self)
      #expect(read.error == JSONError("JSON ends too early", at: text.utf8.count))
    }
    #expect(readNumbers("true,tru", .bool, as: UInt8.self).error == JSONError("JSON ends too early", at: 8))
  }

  @Test func `values beyond the capacity are refused at the first one without room`() {
    let read = readNumbers("1, 2, 3]", .i16, as: Int16.self, capacity: 2)
    #expect(read.error == JSONError("more values than the shape's 2", at: 6))
    #expect(readNumbers("1]", .i16, as: Int16.self, capacity: 0).error?.offset == 0)
  }

  @Test func `the reader goes on behind them through nested arrays`() throws {
    let text = Array("[[1, 2],[3,4] , [5,6]]".utf8)
    var values: [Int32] = []
    try text.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) throws -> Void in
      var reader = JSONReader(bytes)
      try reader.beginArray()
      while try reader.nextElement() {
        try reader.beginArray()
        while try reader.nextElement() {
          let row = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
          defer { row.deallocate() }
          #expect(try reader.numbers(.i32, into: row, capacity: 2) == 2)
          values += [row[0], row[1]]
        }
      }
      try reader.end()
    }
    #expect(values == [1, 2, 3, 4, 5, 6])
  }

  @Test func `random bytes never crash and never write too much`() {
    var random = seeded("number bytes")
    let alphabet = Array("0123456789.,-+eE ]NaIfinty\n".unicodeScalars)
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...100, using: &random)
      var text = ""
      for _ in 0..<count { text.unicodeScalars.append(alphabet.randomElement(using: &random)!) }
      let read = readNumbers(text, .f32, as: Float.self, capacity: 8)
      #expect(read.position <= text.utf8.count && read.values.count <= 8)
      _ = readNumbers(text, .u16, as: UInt16.self, capacity: 8)
    }
  }
}
