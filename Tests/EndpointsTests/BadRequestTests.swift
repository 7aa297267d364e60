import Foundation
import HTTPTestClient
import Testing

/// A request that must be refused, and words that the refusal must hold.
struct Bad: Sendable, CustomTestStringConvertible {
  var json: String
  var words: [String]
  var model = "pairs"
  var blobs: [UInt8]?
  var status = 400
  var lines: [String] = []

  init(_ json: String, _ words: String..., model: String = "pairs", blobs: [UInt8]? = nil, status: Int = 400) {
    self.json = json
    self.words = words
    self.model = model
    self.blobs = blobs
    self.status = status
  }

  var testDescription: String { String("\(model): \(json)".prefix(100)) }
}

private let x = input("FP32", "[1,2]", "[1,2]")
private let y = input("INT32", "[2]", "[3,4]", name: "y")

/// `pairs` with another member `x`.
private func bad(x other: String, _ words: String..., blobs: [UInt8]? = nil) -> Bad {
  var bad = Bad(request(other, y), blobs: blobs)
  bad.words = words
  return bad
}

/// `pairs` with a correct `x` and `y`, and more.
private func bad(more: String, _ words: String..., status: Int = 400) -> Bad {
  var bad = Bad(request(x, y, more: more), status: status)
  bad.words = words
  return bad
}

private func member(_ text: String) -> String { #"{"name":"x",\#(text)}"# }

private let wholes = [
  Bad("", "no body"), Bad(" ", "JSON ends too early"), Bad("{", "JSON ends too early"), Bad("[]", "JSON"),
  Bad("null", "JSON"), Bad("1", "JSON"), Bad("{}", "'inputs' is missing"), Bad(#"{"inputs":{}}"#, "'inputs'", "list"),
  Bad(#"{"inputs":null}"#, "'inputs'", "list"), Bad(#"{"inputs":[]}"#, "'x'", "missing", "'pairs'"),
  Bad(request(x), "'y'", "missing"), Bad(request(x, y, input("FP32", "[1]", "[1]", name: "z")), "'z'", "'x', 'y'"),
  Bad(request(x, x, y), "'x'", "already exists"), Bad(request(x, y, more: #""inputs":[]"#), "'inputs' appears twice"),
  Bad(#"{"inputs":[1]}"#, "'inputs'", "object"), Bad(#"{"inputs":[null]}"#, "object"),
  Bad(request(x, y) + " x", "text follows"),
  Bad(request(x, y) + request(x, y), "text follows"), Bad("{\"inputs\":[\(x),\(y),]}", "comma"),
  Bad("{\"inputs\":[\(x) \(y)]}", "comma"),
  Bad("{\"inputs\":[\(x),\(y)]", "ends too early"), Bad("{'inputs':[]}", "JSON"), Bad("{\"inputs\" [\(x)]}", "colon"),
  Bad("\u{FEFF}" + request(x, y), "JSON"), Bad("{\"a\":\"\u{1}\"}", "control character"), Bad(#"{"a":"\x"}"#, "escape"),
  Bad(#"{"a":"\ud800"}"#, "surrogate"), Bad(#"{"a":01}"#, "0"), Bad(#"{"a":tru}"#, "true"), Bad(#"{"a":+1}"#, "value"),
  Bad("{\"a\":" + String(repeating: "[", count: 200_000), "nested deeper than 100"),
  Bad("{\"a\":" + String(repeating: "{\"a\":", count: 101), "nested deeper than 100"),
]

private let extras = [
  bad(more: #""id":1"#, "'id'", "string"), bad(more: #""id":null"#, "'id'"),
  bad(more: #""parameters":[]"#, "'parameters'"),
  bad(more: #""parameters":{"a":null}"#, "'a'", "invalid type"), bad(more: #""parameters":{"a":[]}"#, "'a'"),
  bad(more: #""parameters":{"a":{}}"#, "'a'"), bad(more: #""parameters":{"triton_x":1}"#, "triton_x", "reserved"),
  bad(more: #""parameters":{"timeout":-1}"#, "timeout", "-1"), bad(more: #""parameters":{"timeout":"1"}"#, "'timeout'"),
  bad(more: #""parameters":{"timeout":1.5}"#, "timeout"),
  bad(more: #""parameters":{"timeout":99999999999999999999}"#, "timeout"),
  bad(more: #""parameters":{"binary_data_output":1}"#, "'binary_data_output'"),
  bad(more: #""parameters":{"device":5}"#, "'device'"),
  bad(more: #""parameters":{"device":"gpu"}"#, "gpu", "cpu", status: 422),
  bad(more: #""outputs":{}"#, "'outputs'", "list"),
  bad(more: #""outputs":[1]"#, "'outputs'", "object"), bad(more: #""outputs":[{}]"#, "output", "'name'"),
  bad(more: #""outputs":[{"name":1}]"#, "'name'"), bad(more: #""outputs":[{"name":"z"}]"#, "'z'", "'a', 'b'"),
  bad(more: #""outputs":[{"name":"a"},{"name":"a"}]"#, "'a'", "already exists"),
  bad(more: #""outputs":[{"name":"a","parameters":[]}]"#, "'parameters'"),
  bad(more: #""outputs":[{"name":"a","parameters":{"binary_data":"yes"}}]"#, "'binary_data'"),
  bad(more: #""outputs":[{"name":"a","parameters":{"classification":-1}}]"#, "'classification'", "-1"),
  bad(more: #""outputs":[{"name":"a","parameters":{"classification":1.5}}]"#, "classification"),
  bad(more: #""outputs":[{"name":"a","parameters":{"classification":"1"}}]"#, "'classification'"),
  bad(more: #""outputs":[{"name":"a","parameters":{"shared_memory_region":"r"}}]"#, "shared memory"),
  bad(more: #""outputs":[{"name":"a","parameters":{"other":null}}]"#, "'other'"),
]

private let inputs = [
  bad(x: "{}", "'name'"), bad(x: #"{"name":1}"#, "'name'", "string"), bad(x: #"{"name":"q"}"#, "'q'", "'x', 'y'"),
  bad(x: member(#""datatype":"FP32","data":[1,2]"#), "'x'", "'shape'"),
  bad(x: member(#""shape":[1,2],"data":[1,2]"#), "'x'", "'datatype'"),
  bad(x: member(#""shape":[1,2],"datatype":"FP32""#), "'x'", "'data'"),
  bad(x: member(#""shape":[1,2],"datatype":"FP32","data":null"#), "'x'", "'data'"),
  bad(x: input("FP32", "null", "[]"), "'shape'"),
  bad(x: input("FP32", "2", "[]"), "'shape'"), bad(x: input("FP32", "[\"1\",2]", "[1,2]"), "'shape'", "integers"),
  bad(x: input("FP32", "[-1,2]", "[1,2]"), "'x'", "-1"), bad(x: input("FP32", "[1.5,2]", "[1,2]"), "'x'", "'shape'"),
  bad(x: input("FP32", "[1e2,2]", "[1,2]"), "'shape'"),
  bad(x: input("FP32", "[99999999999999999999,2]", "[]"), "'shape'"),
  bad(x: input("FP32", "[1]", "[1]"), "'x'", "[-1,2]", "[1]"),
  bad(x: input("FP32", "[1,3]", "[1,2,3]"), "'x'", "[-1,2]", "[1,3]"),
  bad(x: input("FP32", "[1,2,1]", "[1,2]"), "[-1,2]", "[1,2,1]"), bad(x: input("FP32", "[]", "[1]"), "[-1,2]", "[]"),
  bad(x: input("FP32", "[1,1,1,1,1,1,1,1,1]", "[1]"), "8 dimensions"),
  bad(x: input("FP32", "[4611686018427387904,2]", "[]"), "[4611686018427387904,2]", "too many"),
  bad(x: input("FP32", "[1000000000,2]", "[1,2]"), "2000000000 elements"),
  bad(x: input("FP64", "[1,2]", "[1,2]"), "'x'", "FP64", "FP32"), bad(x: input("fp32", "[1,2]", "[1,2]"), "'fp32'"),
  bad(x: input("TYPE_FP32", "[1,2]", "[1,2]"), "'TYPE_FP32'"), bad(x: input("STRING", "[1,2]", "[]"), "'STRING'"),
  bad(x: member(#""shape":[1,2],"datatype":7,"data":[1,2]"#), "'datatype'"),
  bad(x: input("FP32", "[1,2]", "1"), "'x'", "list"),
  bad(x: input("FP32", "[1,2]", "\"1,2\""), "'x'", "list"), bad(x: input("FP32", "[1,2]", "{}"), "'x'", "list"),
  bad(x: input("FP32", "[1,2]", "[1]"), "'x'", "2 elements", "1"),
  bad(x: input("FP32", "[1,2]", "[1,2,3]"), "'x'", "shape's 2"),
  bad(x: input("FP32", "[1,2]", "[]"), "'x'", "2 elements", "0"),
  bad(x: input("FP32", "[2,2]", "[[1,2],[3]]"), "'x'", "[2,2]"),
  bad(x: input("FP32", "[2,2]", "[[1,2],3,4]"), "'x'"), bad(x: input("FP32", "[2,2]", "[1,2,[3,4]]"), "'x'"),
  bad(x: input("FP32", "[2,2]", "[[1,2,3,4]]"), "'x'", "[2,2]"),
  bad(x: input("FP32", "[1,2]", "[[[1,2]]]"), "'x'", "deeper"),
  bad(x: input("FP32", "[2,2]", "[[],[1,2,3,4]]"), "'x'"), bad(x: input("FP32", "[1,2]", "[1,\"2\"]"), "'x'"),
  bad(x: input("FP32", "[1,2]", "[1,null]"), "'x'"), bad(x: input("FP32", "[1,2]", "[1,true]"), "'x'"),
  bad(x: input("FP32", "[1,2]", "[1,2,]"), "JSON", "byte"), bad(x: input("FP32", "[1,2]", "[1 2]"), "JSON", "byte"),
  bad(x: input("FP32", "[1,2]", "[1,1e]"), "'x'"), bad(x: input("FP32", "[1,2]", "[1,01]"), "'x'"),
  bad(x: input("FP32", "[1,2]", "[1,2"), "JSON", "byte"), bad(x: input("FP32", "[1,2]", "[1,.5]"), "JSON", "byte"),
  bad(x: #"{"name":"x","parameters":1,"shape":[1,2],"datatype":"FP32","data":[1,2]}"#, "'parameters'"),
  bad(x: #"{"name":"x","parameters":{"p":[]},"shape":[1,2],"datatype":"FP32","data":[1,2]}"#, "'p'"),
  bad(x: #"{"name":"x","parameters":{"shared_memory_region":"r"},"shape":[1,2],"datatype":"FP32"}"#, "shared memory"),
  bad(
    x: #"{"name":"x","parameters":{"binary_data_size":8},"shape":[1,2],"datatype":"FP32","data":[1,2]}"#, "'x'", "both"),
  bad(x: binary("FP32", "[1,2]", 8), "'x'", "8", "0 bytes are left"),
  bad(x: binary("FP32", "[1,2]", 8), "8", "7", blobs: Array(0..<7)),
  bad(x: binary("FP32", "[1,2]", 8), "9 bytes", "8", blobs: Array(0..<9)), bad(x: x, "1 bytes follow", blobs: [1]),
  bad(x: binary("FP32", "[1,2]", 4), "'x'", "[1,2]", "8", "4", blobs: [1, 2, 3, 4]),
  bad(x: binary("FP32", "[1,2]", 0), "'x'", "8", "0", blobs: []),
  bad(x: binary("FP32", "[2305843009213693952,2]", 8), "'x'", "too many", blobs: Array(0..<8)),
  bad(x: binary("FP32", "[1,2]", -8), "-8", blobs: Array(0..<8)),
  bad(
    x: #"{"name":"x","parameters":{"binary_data_size":"8"},"shape":[1,2],"datatype":"FP32"}"#, "'binary_data_size'",
    blobs: Array(0..<8)),
  bad(
    x: #"{"name":"x","parameters":{"binary_data_size":8.5},"shape":[1,2],"datatype":"FP32"}"#, "binary_data_size",
    blobs: Array(0..<8)),
  bad(
    x: #"{"name":"x","parameters":{"binary_data_size":9223372036854775807},"shape":[1,2],"datatype":"FP32"}"#,
    "9223372036854775807", blobs: Array(0..<8)),
]

private let typed: [Bad] = {
  let integers: [(String, String, String)] = [
    ("INT8", "128", "-129"), ("UINT8", "256", "-1"), ("INT16", "32768", "-32769"), ("UINT16", "65536", "-1"),
    ("INT32", "2147483648", "-2147483649"), ("UINT32", "4294967296", "-1"),
    ("INT64", "9223372036854775808", "-9223372036854775809"), ("UINT64", "18446744073709551616", "-1"),
  ]
  var all: [Bad] = []
  for (type, high, low) in integers {
    for value in [high, low, "1.5", "1e400", "NaN", "true", "\"1\"", "null", "-", "99999999999999999999999999"] {
      all.append(Bad(request(input(type, "[2]", "[1,\(value)]")), "'x'", model: type))
    }
  }
  for value in ["1", "0", "\"true\"", "null", "truth"] {
    all.append(Bad(request(input("BOOL", "[1]", "[\(value)]")), "'x'", model: "BOOL"))
  }
  for value in ["1", "true", "null", "[\"a\"]", "\"a"] {
    all.append(Bad(request(input("BYTES", "[1]", "[\(value)]")), "'x'", model: "BYTES"))
  }
  for value in ["1e400", "-1e400"] {
    all.append(Bad(request(input("FP64", "[1]", "[\(value)]")), "'x'", model: "FP64"))
  }
  for type in ["FP16", "BF16"] {
    all.append(Bad(request(input(type, "[1]", "[1]")), "'x'", type, model: type))
    all.append(Bad(request(binary(type, "[1]", 2)), "'a'", type, model: type, blobs: [0, 0]))
  }
  let framing: [([UInt8], String)] = [
    ([1, 0, 0], "cut off"), ([5, 0, 0, 0, 1], "cut off"), ([255, 255, 255, 255], "cut off"),
    ([0, 0, 0, 0, 0, 0, 0, 0], "2"),
    ([], "0"), ([0, 0, 0, 0, 9], "cut off"),
  ]
  for (blob, word) in framing {
    all.append(Bad(request(binary("BYTES", "[1]", blob.count)), "'x'", word, model: "BYTES", blobs: blob))
  }
  // Nothing but the tensor.
  all.append(Bad("", "raw", "'pairs'", "2", model: "pairs", blobs: [1]))
  all.append(Bad("", "raw", "[-1,-1,-1]", model: "cube", blobs: [1]))
  all.append(Bad("", "'x'", "23 bytes", "[2,3]", model: "fixed", blobs: [UInt8](repeating: 0, count: 23)))
  all.append(Bad("", "raw", "empty", model: "fixed", blobs: []))
  all.append(Bad("", "'x'", "3 bytes", "FP32", model: "FP32", blobs: [1, 2, 3]))
  for (type, value) in [("BOOL", "true"), ("BYTES", "\"a\"")] {
    let wish = #""outputs":[{"name":"a","parameters":{"classification":1}}]"#
    all.append(Bad(request(input(type, "[1]", "[\(value)]"), more: wish), "'a'", type, "classified", model: type))
  }
  all.append(
    Bad(
      request(binary("FP16", "[1]", 2), more: #""outputs":[{"name":"a","parameters":{"classification":1}}]"#), "'a'",
      "FP16",
      model: "FP16", blobs: [0, 0]))
  return all
}()

private let places = [
  Bad("not even JSON", "Request for unknown model: 'nobody' is not found", model: "nobody", status: 404),
  Bad(request(x, y), "'pairs' version 9 is not found", model: "pairs/versions/9", status: 404),
  Bad(request(x, y), "version abc is not served", model: "pairs/versions/abc", status: 404),
  Bad(request(x, y), "64 bits", model: "pairs/versions/99999999999999999999", status: 400),
  Bad(request(x, y), "9223372036854775807", model: "pairs/versions/9223372036854775807", status: 404),
  Bad(request(x, y), "percent", model: "pairs%zz", status: 400),
  Bad(request(x, y), "percent", model: "pairs%4", status: 400),
  Bad(request(x, y), "percent", model: "pairs%", status: 400),
  Bad(request(x, y), "NUL", model: "pairs%00", status: 400),
  Bad(request(x, y), "UTF-8", model: "%ff", status: 400), Bad(request(x, y), "Not Found", model: "a%2Fb", status: 404),
  Bad(request(x, y), model: "%2e%2e", status: 404), Bad(request(x, y), model: "..", status: 404),
  Bad(request(x, y), "Not Found", model: "pairs/infer", status: 404), Bad(request(x, y), model: "", status: 404),
  Bad(request(x, y), "'broken'", "closed", model: "broken", status: 404),
  Bad(request(input("INT8", "[1]", "[1]")), "out of \"coffee\"", model: "failing", status: 502),
]

@Suite(.serialized, .timeLimit(.minutes(2))) struct `Refusing bad requests` {
  private let host: EchoHost

  init() async { host = await EchoHost.shared.value }

  @Test(arguments: [wholes, extras, inputs, typed, places].flatMap { $0 })
  func `answers with the status and an error that names field and values`(bad: Bad) throws {
    let client = try host.client()
    try client.send(inferRequest(bad.model, bad.json, bad.blobs, bad.lines))
    let answer = try client.answer()
    #expect(answer.status == bad.status, "\(answer.text)")
    #expect(answer.headers["content-type"] == "application/json")
    let error = try #require(answer.error, "\(answer.text)")
    for word in bad.words { #expect(error.contains(word)) }
    // What a client gets wrong costs it no connection, and leaves nothing behind.
    try client.send(inferRequest("pairs", request(x, y)))
    #expect(try client.answer().data?.hasPrefix("1,2]") == true)
  }

  @Test(arguments: ["x", "-1", "99999", "1 2", "", "1,1", "0x1", "+1", "99999999999999999999"])
  func `refuses a header length that isn't one number within the body`(value: String) throws {
    let answer = try host.infer("pairs", request(x, y), nil, "Inference-Header-Content-Length: \(value)")
    #expect(answer.status == 400)
    #expect(answer.error?.contains("Inference-Header-Content-Length") == true)
  }

  @Test func `refuses two header lengths, and takes one for the whole body`() throws {
    let json = request(x, y)
    let line = "Inference-Header-Content-Length: \(json.utf8.count)"
    #expect(try host.infer("pairs", json, nil, line, line).status == 400)
    #expect(try host.infer("pairs", json, nil, line.lowercased()).status == 200)
  }

  @Test func `refuses bytes that aren't UTF-8 in names`() throws {
    let client = try host.client()
    let parts = request(x, y).components(separatedBy: "\"x\"")
    let body = Array((parts[0] + "\"").utf8) + [0xFF] + Array(("\"" + parts[1]).utf8)
    try client.send(
      Array("POST /v2/models/pairs/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.count)\r\n\r\n".utf8)
        + body)
    let answer = try client.answer()
    #expect(answer.status == 400)
    #expect(answer.error?.contains("UTF-8") == true)
  }

  @Test func `wants a body's length`() throws {
    let answer = try host.ask("POST /v2/models/pairs/infer HTTP/1.1\r\nHost: localhost\r\n\r\n")
    #expect(answer.status == 411)
    #expect(answer.error != nil)
  }
}
