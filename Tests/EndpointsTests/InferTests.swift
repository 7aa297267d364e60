import Foundation
import HTTPTestClient
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct `Answering inference` {
  private let host: EchoHost

  init() async { host = await EchoHost.shared.value }

  /// JSON data that comes back as it went; nil for types without a JSON form.
  private static let samples: [(type: String, count: Int, json: String?, bytes: [UInt8])] = [
    ("BOOL", 2, "true,false", [1, 0]), ("UINT8", 2, "0,255", [0, 255]), ("UINT16", 2, "0,65535", [0, 0, 255, 255]),
    ("UINT32", 2, "1,4294967295", bytes([1, UInt32.max])),
    ("UINT64", 2, "1,18446744073709551615", bytes([1, UInt64.max])),
    ("INT8", 2, "-128,127", [128, 127]), ("INT16", 2, "-32768,32767", bytes([Int16.min, .max])),
    ("INT32", 2, "-2147483648,2147483647", bytes([Int32.min, .max])),
    ("INT64", 2, "-9223372036854775808,9223372036854775807", bytes([Int64.min, .max])),
    ("FP16", 2, nil, [0, 60, 255, 255]), ("BF16", 2, nil, [1, 2, 255, 255]),
    ("FP32", 2, "0.1,-1.5", bytes([Float(0.1), -1.5])),
    ("FP64", 2, "0.1,5e-324", bytes([0.1, Double.leastNonzeroMagnitude])),
    ("BYTES", 2, #""","grö\"ßer""#, [0, 0, 0, 0] + [9, 0, 0, 0] + Array("grö\"ßer".utf8)),
  ]

  @Test(arguments: samples.indices) func `echoes every type in JSON and in binary, each way`(index: Int) throws {
    let (type, count, json, raw) = Self.samples[index]
    var questions = [(request(binary(type, "[\(count)]", raw.count)), raw as [UInt8]?)]
    if let json { questions.append((request(input(type, "[\(count)]", "[\(json)]")), nil)) }
    for (question, blob) in questions {
      let inBinary = try host.infer(type, String(question.dropLast()) + ",\(allBinary)}", blob)
      #expect(inBinary.status == 200, "\(inBinary.text)")
      #expect(inBinary.blobs == raw)
      #expect(inBinary.headers["content-type"] == "application/octet-stream")
      #expect(
        inBinary.json.contains(
          #""name":"a","datatype":"\#(type)","shape":[\#(count)],"parameters":{"binary_data_size":\#(raw.count)}"#))
      let inJSON = try host.infer(type, question, blob)
      #expect(inJSON.status == (json == nil ? 400 : 200))
      if let json {
        #expect(inJSON.data == json)
        #expect(inJSON.headers["content-type"] == "application/json")
        #expect(inJSON.blobs == nil)
      } else {
        #expect(inJSON.error?.contains("'a'") == true && inJSON.error?.contains(type) == true)
      }
    }
    // The whole body as the tensor.
    let isText = type == "BYTES"
    let whole = try host.infer(isText ? "word" : type, "", isText ? Array("raw".utf8) : raw)
    #expect(whole.blobs == (isText ? [3, 0, 0, 0] + Array("raw".utf8) : raw))
    // No elements.
    let empty = try host.infer(type, request(binary(type, "[0]", 0), more: allBinary), [])
    #expect(empty.status == 200 && empty.blobs == nil && empty.headers["content-type"] == "application/json")
    #expect(empty.text.contains(#""shape":[0],"parameters":{"binary_data_size":0}"#))
    guard json != nil else { return }
    let none = try host.infer(type, request(input(type, "[0]", "[]")))
    #expect(none.text.contains(#""shape":[0],"data":[]"#))
  }

  @Test func `takes the first tensor in JSON and the second in binary, and answers either way`() throws {
    let y = bytes([Int32(7), 8])
    let inputs = request(input("FP32", "[1,2]", "[1,2]"), binary("INT32", "[2]", 8, name: "y"))
    let wishes = #""outputs":[{"name":"b"},{"name":"a","parameters":{"binary_data":true}}]"#
    let mixed = try host.infer("pairs", String(inputs.dropLast()) + ",\(wishes)}", y)
    #expect(mixed.blobs == bytes([Float(1), 2]))
    #expect(mixed.json.contains(#""name":"b","datatype":"INT32","shape":[2],"data":[7,8]"#))
    let both = try host.infer("pairs", String(inputs.dropLast()) + ",\(allBinary)}", y)
    #expect(both.blobs == bytes([Float(1), 2]) + y)
    let inverse =
      #""parameters":{"binary_data_output":true},"outputs":[{"name":"b","parameters":{"binary_data":false}},{"name":"a"}]"#
    #expect(try host.infer("pairs", String(inputs.dropLast()) + ",\(inverse)}", y).blobs == bytes([Float(1), 2]))
  }

  @Test func `takes several binary tensors in the order of the inputs`() throws {
    let x = bytes([Float(1), 2, 3, 4])
    let y = bytes([Int32(7), 8])
    let inputs = request(binary("INT32", "[2]", 8, name: "y"), binary("FP32", "[2,2]", 16), more: allBinary)
    #expect(try host.infer("pairs", inputs, y + x).blobs == x + y)
    // JSON padded behind its end.
    #expect(try host.infer("pairs", inputs + "   \n", y + x).blobs == x + y)
  }

  @Test func `sends large tensors whole, in any mixture`() throws {
    for count in [100, 1023, 1024, 1025, 2047, 2048, 50_000] {
      let x = bytes((0..<count * 2).map { Float($0) })
      let y = bytes([Int32(7), 8])
      let answer = try host.infer(
        "pairs",
        request(binary("FP32", "[\(count),2]", x.count), binary("INT32", "[2]", 8, name: "y"), more: allBinary), x + y)
      #expect(answer.blobs == x + y)
    }
  }

  @Test func `gives only the outputs that are asked for`() throws {
    let inputs = request(input("FP32", "[1,2]", "[1,2]"), input("INT32", "[2]", "[3,4]", name: "y"))
    let one = try host.infer("pairs", String(inputs.dropLast()) + #","outputs":[{"name":"b"}]}"#)
    #expect(one.text.contains(#""outputs":[{"name":"b","datatype":"INT32","shape":[2],"data":[3,4]}]"#))
    for all in ["[]", "null"] {
      #expect(try host.infer("pairs", String(inputs.dropLast()) + ",\"outputs\":\(all)}").text.contains(#""name":"a""#))
    }
    // In the model's order, even where the request has outputs first.
    let both = try host.infer("pairs", #"{"outputs":[{"name":"b"},{"name":"a"}],"# + inputs.dropFirst())
    let a = both.text.range(of: #""name":"a""#)?.lowerBound
    let b = both.text.range(of: #""name":"b""#)?.lowerBound
    #expect(a != nil && b != nil && a! < b!)
  }

  @Test(arguments: [
    #"{"data":[1,2],"shape":[2],"datatype":"INT32","name":"x"}"#,
    #"{"data":[1,2],"name":"x","datatype":"INT32","shape":[2]}"#,
    #"{"datatype":"INT32","name":"x","data":[1,2],"shape":[2]}"#,
    #"{"shape":[2],"data":[1,2],"datatype":"INT32","name":"x"}"#,
    #"{"unknown":[{"a":"]}"}],"name":"x","shape":[2],"datatype":"INT32","data":[1,2],"more":null}"#,
    #"{ "name" : "x" , "shape" : [ 2 ] , "datatype" : "INT32" , "data" : [ 1 , 2 ] }"#,
    #"{"na\u006de":"\u0078","shape":[2],"datatype":"INT\u00332","data":[1,2]}"#,
    #"{"name":"x","shape":[2],"datatype":"INT32","data":[1,2],"parameters":{"a":1,"b":"c","d":true,"e":1.5}}"#,
  ])
  func `reads the members of an input in any order`(text: String) throws {
    let answer = try host.infer("INT32", #"{"model_name":"m","inputs":[\#(text)],"extra":{}}"#)
    #expect(answer.data == "1,2", "\(answer.text)")
  }

  @Test(arguments: ["[1,2,3,4,5,6,7,8]", "[[[1,2],[3,4]],[[5,6],[7,8]]]", "[ [[1,2],[3,4]] , [[5,6], [7,8]] ]"])
  func `takes flat data and data nested as the shape says`(data: String) throws {
    #expect(try host.infer("cube", request(input("INT32", "[2,2,2]", data))).data == "1,2,3,4,5,6,7,8")
    let late = #"{"name":"x","data":\#(data),"datatype":"INT32","shape":[2,2,2]}"#
    #expect(try host.infer("cube", request(late)).data == "1,2,3,4,5,6,7,8")
  }

  @Test(arguments: [
    ("[0,2,3]", "[]"), ("[2,0,3]", "[[],[]]"), ("[2,0,3]", "[]"), ("[1,2,0]", "[[[],[]]]"),
    ("[4611686018427387904,1,0]", "[]"),
  ])
  func `takes shapes without elements`(shape: String, data: String) throws {
    let answer = try host.infer("cube", request(input("INT32", shape, data)))
    #expect(answer.text.contains(#""shape":\#(shape),"data":[]"#), "\(answer.text)")
  }

  @Test func `takes scalars`() throws {
    #expect(try host.infer("scalar", request(input("FP64", "[]", "[2.5]"))).text.contains(#""shape":[],"data":[2.5]"#))
    #expect(
      try host.infer("scalar", request(binary("FP64", "[]", 8), more: allBinary), bytes([2.5])).blobs == bytes([2.5]))
  }

  @Test func `echoes ids as they stand`() throws {
    for id in ["1", #"a\"b\\\n\u00e9ß"#, String(repeating: "x", count: 300)] {
      let json = request(input("INT8", "[1]", "[1]"), more: #""id":"\#(id)""#)
      #expect(try host.infer("INT8", json).text.hasPrefix(#"{"id":"\#(id)","model_name":"INT8","model_version":"1","#))
    }
    for more in ["", #""id":"""#] {
      #expect(
        try host.infer("INT8", request(input("INT8", "[1]", "[1]"), more: more)).text.hasPrefix(#"{"model_name":"#))
    }
  }

  @Test func `takes request parameters of simple kinds and ignores what it doesn't know`() throws {
    let more =
      #""parameters":{"priority":1,"timeout":0,"sequence_id":"s","sequence_start":true,"x":1.5,"device":"cpu"}"#
    #expect(try host.infer("INT8", request(input("INT8", "[1]", "[1]"), more: more)).status == 200)
  }

  @Test func `reads any byte but 0 as true`() throws {
    let answer = try host.infer("BOOL", request(binary("BOOL", "[4]", 4)), [0, 1, 2, 255])
    #expect(answer.data == "false,true,true,true")
    #expect(try host.infer("BOOL", "", [0, 1, 2, 255]).blobs == [0, 1, 1, 1])
  }

  @Test func `keeps zero bytes and escapes of texts`() throws {
    let answer = try host.infer(
      "BYTES", request(input("BYTES", "[2]", #"["a\u0000\n","\ud83d\ude00"]"#), more: allBinary))
    #expect(answer.blobs == [3, 0, 0, 0, 97, 0, 10, 4, 0, 0, 0] + Array("😀".utf8))
    let back = try host.infer("BYTES", request(binary("BYTES", "[2]", 15)), answer.blobs)
    let data = try JSONSerialization.jsonObject(with: Data("[\(back.data ?? "")]".utf8)) as? [String]
    #expect(data == ["a\u{0}\n", "😀"])
  }

  @Test func `refuses texts that aren't UTF-8 as JSON, and gives them in binary`() throws {
    let blob: [UInt8] = [2, 0, 0, 0, 0xFF, 0xFE]
    let answer = try host.infer("BYTES", request(binary("BYTES", "[1]", 6)), blob)
    #expect(answer.status == 400)
    #expect(answer.error?.contains("binary") == true)
    #expect(try host.infer("BYTES", request(binary("BYTES", "[1]", 6), more: allBinary), blob).blobs == blob)
  }

  @Test func `reads and writes numbers that aren't finite`() throws {
    let answer = try host.infer("FP32", request(input("FP32", "[4]", "[NaN,Infinity,-Infinity,-0.0]"), more: allBinary))
    let values = (answer.blobs ?? []).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    #expect(values.count == 4 && values[0].isNaN && values[1] == .infinity && values[2] == -.infinity)
    #expect(values.last?.sign == .minus)
    let json = try host.infer("FP32", request(input("FP32", "[3]", "[NaN,Infinity,-Infinity]")))
    #expect(json.data == "NaN,Infinity,-Infinity")
  }

  // MARK: Exactness

  @Test func `brings random bits through JSON unharmed`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of random bits: \(seed)")
    var random = Seeded(seed)
    try roundTrip(
      "FP32",
      (0..<4000).map { _ in Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random)) }.filter(\.isFinite))
    try roundTrip("FP64", (0..<4000).map { _ in Double(bitPattern: random.next()) }.filter(\.isFinite))
    try roundTrip(
      "INT64", (0..<4000).map { _ in Int64(bitPattern: random.next()) >> Int64.random(in: 0...63, using: &random) })
    try roundTrip("UINT64", (0..<4000).map { _ in random.next() >> UInt64.random(in: 0...63, using: &random) })
    try roundTrip("INT8", (0..<500).map { _ in Int8.random(in: .min ... .max, using: &random) })
    try roundTrip("UINT16", (0..<500).map { _ in UInt16.random(in: .min ... .max, using: &random) })
  }

  /// Binary in, JSON out; that JSON in, binary out.
  private func roundTrip<T: LosslessStringConvertible>(_ type: String, _ values: [T]) throws {
    let raw = bytes(values)
    let shape = "[\(values.count)]"
    let out = try host.infer(type, request(binary(type, shape, raw.count)), raw)
    let data = try #require(out.data, "\(out.text.prefix(200))")
    let parsed = data.split(separator: ",").compactMap { T(String($0)) }
    #expect(bytes(parsed) == raw, "\(type) to JSON")
    let back = try host.infer(type, request(input(type, shape, "[\(data)]"), more: allBinary))
    #expect(back.blobs == raw, "\(type) from JSON")
    let swift = values.map { "\($0)" }.joined(separator: ",")
    #expect(
      try host.infer(type, request(input(type, shape, "[\(swift)]"), more: allBinary)).blobs == raw, "\(type) from text"
    )
  }

  @Test func `compresses answers and takes compressed requests with binary tensors`() throws {
    let x = bytes((0..<20_000).map { Float($0 % 7) })
    let json = request(binary("FP32", "[20000]", x.count), more: allBinary)
    let client = try host.client()
    let packed = gzip(Array(json.utf8) + x)
    let head =
      "POST /v2/models/FP32/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(packed.count)\r\nContent-Encoding: gzip\r\n"
      + "Accept-Encoding: gzip\r\nInference-Header-Content-Length: \(json.utf8.count)\r\n\r\n"
    try client.send(Array(head.utf8) + packed)
    let answer = try client.answer()
    #expect(answer.status == 200)
    #expect(answer.headers["content-encoding"] == "gzip")
    #expect(answer.body.count < x.count / 4)
    let plain = gunzip(answer.body)
    let headerCount = try #require(answer.headers["inference-header-content-length"].flatMap { Int($0) })
    #expect(Array(plain.dropFirst(headerCount)) == x)
  }
}

/// A generator that gives the same numbers for the same seed: SplitMix64.
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
