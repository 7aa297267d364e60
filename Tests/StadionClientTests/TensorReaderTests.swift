import Inference
import StadionClient
import Testing
import Wire

@Suite struct `Fitting a file to an input` {
  private func read(_ file: [UInt8], _ type: ElementType, _ shape: [Int64]) throws -> DenseTensor {
    try TensorReader(TensorSpec(name: "x", elementType: type, shape: shape)).read(file: file).tensor
  }

  private func read(_ text: String, _ type: ElementType, _ shape: [Int64]) throws -> DenseTensor {
    try read(Array(text.utf8), type, shape)
  }

  @Test func `JSON integers stay exact`() throws {
    let tensor = try read(" [-9223372036854775808, 9223372036854775807]\n", .i64, [-1])
    #expect(tensor == DenseTensor(name: "x", elementType: .i64, shape: [2], values: [Int64.min, Int64.max]))
    #expect(try read("18446744073709551615", .u64, []).load(UInt64.self, at: 0) == .max)
    for bad in ["[1.5]", "[300]", "[-1]", "[\"a\"]", "[true]", "[[1],[1,2]]", "[null]"] {
      #expect(throws: HostError.self) { try read(bad, .u8, [-1]) }
    }
  }

  @Test func `JSON floats of every width`() throws {
    #expect(
      try read("[0.1, NaN, -Infinity, 1e40]", .f32, [4]).elementsAsJSON().map(\.text) == [
        "0.1", "NaN", "-Infinity", "Infinity",
      ])
    #expect(try read("[1, 0.1]", .f16, [2]).elementsAsJSON().map(\.text) == ["1.0", "0.1"])
    #expect(try read("[1, 3.1415927]", .bf16, [2]).elementsAsJSON().map(\.text) == ["1.0", "3.140625"])
    #expect(try read("[true, 0]", .bool, [2]).bytes == [1, 0])
  }

  @Test func `a batch of one is added`() throws {
    #expect(try read("[[1,2],[3,4]]", .f32, [-1, 2, 2]).shape == [1, 2, 2])
    #expect(try read("[1,2,3,4]", .f32, [1, 2, 2]).shape == [1, 2, 2])
    #expect(try read("5", .i64, [1, 1]).shape == [1, 1])
    #expect(throws: HostError.self) { try read("[[1,2],[3,4]]", .f32, [4, 1]) }
  }

  @Test func `raw bytes fit or say why not`() throws {
    let raw = [UInt8](repeating: 0xFE, count: 24)
    #expect(try read(raw, .f32, [-1, 3]).shape == [2, 3])
    #expect(try read(raw, .f64, [3]).bytes == raw)
    let error = #expect(throws: HostError.self) { try read(raw, .f32, [5]) }
    #expect(error?.message.contains("x wants FP32 [5] (20 bytes), the file has 24 bytes") == true)
    #expect(throws: HostError.self) { try read(raw, .f32, [-1, Int64.max, Int64.max]) }
    #expect(throws: HostError.self) { try read([], .f32, [1]) }
  }

  @Test func `text is one element or one a line`() throws {
    #expect(try read("a\nb\n", .utf8, [1, 1]).byteElements() == [Array("a\nb\n".utf8)])
    var reader = TensorReader(TensorSpec(name: "x", elementType: .utf8, shape: [-1]))
    reader.byLine = true
    let tensor = try reader.read(file: Array("a\n\nb\n".utf8)).tensor
    #expect(tensor == DenseTensor(name: "x", shape: [3], elements: [[97], [], [98]]))
  }

  @Test func `npy must have the type and shape wanted`() throws {
    let file = try NumPyFile.write(DenseTensor(name: "", elementType: .f32, shape: [2], values: [Float(1), 2]))
    #expect(try read(file, .f32, [1, 2]).shape == [1, 2])
    #expect(throws: HostError.self) { try read(file, .f64, [2]) }
    #expect(throws: HostError.self) { try read(file, .f32, [3]) }
  }

  @Test func `arguments name inputs or stand alone`() throws {
    func metadata(_ inputs: String) throws -> ModelMetadata {
      try ModelMetadata(try JSONValue(parsing: #"{"name":"m","inputs":[\#(inputs)]}"#))
    }
    let x = #"{"name":"x","datatype":"INT64","shape":[-1]}"#
    let y = #"{"name":"y","datatype":"FP32","shape":[]}"#
    let one = InputArguments(metadata: try metadata(x))
    #expect(try one.read(["[1,2]"]).tensors[0].shape == [2])
    #expect(try one.read(["x=[1,2]"]).tensors[0].shape == [2])
    #expect(throws: UsageError("m has no input \"z\"; did you mean x?")) { try one.read(["z=1"]) }
    #expect(throws: HostError.self) { try one.read(["/no/such/file"]) }
    let two = InputArguments(metadata: try metadata("\(x),\(y)"))
    #expect(try two.read(["y=1.5", "x=7"]).tensors.map(\.name) == ["x", "y"])
    #expect(throws: UsageError("input y (FP32 []) is missing; add --input y=FILE")) { try two.read(["x=7"]) }
    #expect(throws: UsageError("m has inputs x, y; write --input NAME=7")) { try two.read(["7"]) }
  }
}

@Suite struct `Taking the ends of a file` {
  // Expected values: magika 1.0.3, Magika._extract_features_from_seekable.
  private func ends(_ text: String, _ begin: Int, _ end: Int, block: Int = 4096) -> [Int] {
    FileEnds(begin: begin, end: end, block: block).values(of: Array(text.utf8))
  }

  @Test func `strips the outer side alone and pads`() {
    #expect(ends(" \n\tabc \u{0B}", 6, 6) == [97, 98, 99, 32, 11, 256, 32, 10, 9, 97, 98, 99])
    #expect(ends("0123456789", 4, 3) == [48, 49, 50, 51, 55, 56, 57])
    #expect(ends("", 2, 2) == [256, 256, 256, 256])
    #expect(ends("  \r\n", 2, 2) == [256, 256, 256, 256])
  }

  @Test func `keeps bytes that are white space to Unicode alone`() {
    let values = FileEnds(begin: 6, end: 6).values(of: [0, 97, 0x85, 0x1C])
    #expect(values == [0, 97, 133, 28, 256, 256, 256, 256, 0, 97, 133, 28])
  }

  @Test func `sees one block from either end`() {
    #expect(ends("   0123456789   ", 4, 4, block: 5) == [48, 49, 256, 256, 256, 256, 56, 57])
    let big = [UInt8](repeating: 32, count: 10) + (0..<5000).map { UInt8($0 * 7 % 251) } + [10, 10]
    let values = FileEnds(begin: 1024, end: 1024).values(of: big)
    #expect(values[..<1024].reduce(0, +) == 126_830)
    #expect(values[1024...].reduce(0, +) == 127_505)
  }

  @Test func `makes the integer type that the input wants`() throws {
    let json: JSONValue = ["encode": "file-ends", "begin": 2, "end": 2, "strip": true, "padding": 256]
    func read(_ type: ElementType, _ shape: [Int64]) throws -> DenseTensor {
      let hints = try InputHints(json, input: "bytes")
      return try TensorReader(TensorSpec(name: "bytes", elementType: type, shape: shape), hints: hints)
        .read(file: [97]).tensor
    }
    #expect(
      try read(.i32, [-1, 4])
        == DenseTensor(name: "bytes", elementType: .i32, shape: [1, 4], values: [Int32(97), 256, 256, 97]))
    #expect(throws: HostError.self) { try read(.u8, [-1, 4]) }
    #expect(throws: HostError.self) { try read(.i32, [-1, 5]) }
    #expect(throws: HostError.self) { try InputHints(["encode": "file-ends", "begin": -1], input: "bytes") }
  }
}

@Suite struct `Showing an answer` {
  private let report = AnswerReport(subject: "README.md")

  @Test func `scores read as a sentence`() {
    let elements = ["0.998000:7:markdown", "0.001000:3:html", "0.000500:4:a:b"].map { Array($0.utf8) }
    #expect(
      report.scores(DenseTensor(name: "y", shape: [1, 3], elements: elements))
        == "README.md is markdown (99.8 %)\n  html 0.1 %\n  a:b 0.1 %")
  }

  @Test func `rows of a batch are numbered and raw scores stay raw`() {
    let elements = ["12.345678:1", "-3.000000:0", "9.000000:0", "0.000000:1"].map { Array($0.utf8) }
    #expect(
      report.scores(DenseTensor(name: "y", shape: [2, 2], elements: elements))
        == "README.md [0] is number 1 (12.35)\n  number 0 -3\nREADME.md [1] is number 0 (9)\n  number 1 0")
  }

  @Test func `strings are no scores`() {
    #expect(report.scores(DenseTensor(name: "y", shape: [1], elements: [Array("hello".utf8)])) == nil)
  }

  @Test func `tensors read as one line`() {
    let few = DenseTensor(name: "y", elementType: .i32, shape: [2], values: [Int32(1), -2])
    #expect(report.summary(few) == "y  INT32 [2]  1, -2")
    let many = DenseTensor(name: "y", elementType: .f32, shape: [10], values: (0..<10).map { Float($0) })
    #expect(report.summary(many) == "y  FP32 [10]  min 0 max 9 mean 4.5  0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, …")
  }
}
