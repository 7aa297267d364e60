import BlockingTests
import Foundation
import Testing
import Wire

/// HTTP as a foreign client speaks it: curl over the Unix socket.
@Suite(.blocking) struct `Asking with curl` {
  private let host: Host

  init() throws {
    host = try Host(["--max-body-bytes", "20000000"]) { folder in
      try folder.addEcho("echo", "X:f32[-1]")
      try folder.addEcho("text", "T:utf8[-1]")
      try folder.addEcho("slow", "X:f32[-1]", options: ["sleep_ms": "60000"])
    }
  }

  private static let path = "/v2/models/echo/infer"

  private static func body(_ numbers: String, count: Int) -> String {
    #"{"inputs":[{"name":"X","datatype":"FP32","shape":[\#(count)],"data":[\#(numbers)]}]}"#
  }

  /// A request of more than a megabyte, which curl announces with `Expect: 100-continue`.
  private static let large: String = {
    let count = 200_000
    return body((0..<count).map { "\($0 % 977).5" }.joined(separator: ","), count: count)
  }()

  @Test func `an answer names model and version and repeats the numbers`() throws {
    let result = try host.curl(Self.path, "-d", Self.body("1,2.5,0.1", count: 3))
    #expect(
      result.output == #"{"model_name":"echo","model_version":"1","outputs":[{"name":"X","datatype":"FP32","#
        + #""shape":[3],"data":[1,2.5,0.1]}]}"#)
  }

  @Test func `health, server and model answer to GET`() throws {
    #expect(try host.curl("/v2/health/live").output == #"{"live":true}"#)
    #expect(try host.curl("/v2/health/ready").output == #"{"ready":true}"#)
    #expect(try JSONValue(parsing: host.curl("/v2").output)["name"] == "stadion")
    let model = try JSONValue(parsing: host.curl("/v2/models/echo").output)
    #expect(model["inputs"] == [["name": "X", "datatype": "FP32", "shape": [-1]]])
    #expect(try host.curl("/v2/models/echo/versions/1/ready?x=y").output == #"{"name":"echo","ready":true}"#)
  }

  @Test func `HEAD has the headers of GET and no body`() throws {
    let head = try host.curl("/v2/health/live", "--head")
    #expect(head.output.hasPrefix("HTTP/1.1 200"))
    #expect(head.output.contains("Content-Length: 13\r\n"))
    #expect(head.output.hasSuffix("\r\n\r\n"))
  }

  @Test func `one connection carries several requests`() throws {
    let result = try host.curl("/v2/health/live", "-w", " %{num_connects} ", "http://host/v2", "http://host/v2/none")
    let connects = result.output.split(separator: " ").filter { $0.count == 1 }.map(String.init)
    #expect(connects == ["1", "0", "0"], "\(result.output)")
  }

  @Test func `a large body is asked for with 100 Continue`() throws {
    let result = try host.curl(
      Self.path, "-v", "-H", "Expect: 100-continue", "--data-binary", "@-", input: Array(Self.large.utf8))
    #expect(result.errors.contains("< HTTP/1.1 100 Continue"))
    #expect(result.errors.contains("< HTTP/1.1 200 OK"))
    #expect(result.output.hasSuffix("\(199_999 % 977).5]}]}"))
  }

  @Test func `a chunked body is put together`() throws {
    let result = try host.curl(
      Self.path, "-H", "Transfer-Encoding: chunked", "--data-binary", "@-", input: Array(Self.large.utf8))
    #expect(result.output.hasSuffix("\(199_999 % 977).5]}]}"))
  }

  @Test(arguments: ["gzip", "deflate"]) func `an answer is compressed when asked`(coding: String) throws {
    let packed = try host.curl(
      Self.path, "-H", "Accept-Encoding: \(coding)", "--compressed", "-D", "/dev/stderr", "--data-binary", "@-",
      input: Array(Self.large.utf8))
    #expect(packed.errors.contains("Content-Encoding: \(coding)"))
    #expect(packed.output.hasSuffix("\(199_999 % 977).5]}]}"))
  }

  @Test func `a compressed request is unpacked`() throws {
    let folder = TemporaryFolder()
    let file = try folder.write("body", Self.large)
    #expect(try Command.run(["gzip", file]).status == 0)
    let packed = try Data(contentsOf: URL(fileURLWithPath: file + ".gz"))
    let result = try host.curl(
      Self.path, "-H", "Content-Encoding: gzip", "--data-binary", "@-", input: Array(packed))
    #expect(result.output.hasSuffix("\(199_999 % 977).5]}]}"))
  }

  @Test(
    arguments: [
      ("/v2/models/echo/infer", ["-d", ""], 400, "no body"),
      ("/v2/models/echo/infer", ["-d", "{"], 400, "parse"),
      ("/v2/models/echo/infer", ["-d", "{}"], 400, "'inputs'"),
      (
        "/v2/models/echo/infer", ["-d", #"{"inputs":[{"name":"X","datatype":"FP32","shape":[2],"data":[1]}]}"#], 400,
        "'X'"
      ),
      (
        "/v2/models/echo/infer", ["-d", #"{"inputs":[{"name":"X","datatype":"FP16","shape":[1],"data":[1]}]}"#], 400,
        "FP16"
      ),
      ("/v2/models/echo/infer", ["-X", "GET"], 405, "Method Not Allowed"),
      ("/v2/models/nobody/infer", ["-d", "{"], 404, "unknown model: 'nobody'"),
      ("/v2/models/echo/versions/99999999999999999999/infer", ["-d", "{}"], 400, "64 bits"),
      ("/v2/nothing", [], 404, "Not Found"),
      ("/v2/models/%zz", [], 400, "escape"),
      ("/v2/models/echo/infer", ["-H", "Content-Encoding: br", "-d", "x"], 415, "gzip, deflate"),
      ("/v2/models/echo/infer", ["-H", "Inference-Header-Content-Length: 99", "-d", "{}"], 400, "99"),
      ("/v2/health/live", ["-H", "Long: \(String(repeating: "x", count: 70_000))"], 431, "header"),
      (
        "/v2/models/slow/infer",
        ["-d", #"{"parameters":{"timeout":20000},"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#],
        504, "deadline"
      ),
    ] as [(String, [String], Int, String)])
  func `a bad request is told what is wrong`(path: String, arguments: [String], status: Int, words: String) throws {
    let result = try Command.run(
      ["curl", "-s", "--max-time", "20", "--unix-socket", host.socket, "-w", "\n%{http_code}"] + arguments
        + ["http://host\(path)"])
    let parts = result.output.split(separator: "\n")
    #expect(parts.last.flatMap { Int($0) } == status, "\(result.output)")
    let text = try JSONValue(parsing: String(parts.first ?? ""))["error"]?.string ?? ""
    #expect(text.contains(words), "\(text)")
  }

  @Test func `a body over the limit is refused before it is read`() throws {
    let result = try host.curl(
      Self.path, "-w", "%{http_code}", "--data-binary", "@-", input: [UInt8](repeating: 32, count: 20_000_001))
    #expect(result.output.hasSuffix("413"))
    #expect(result.output.contains("20000000"))
  }

  @Test func `text of any alphabet comes back`() throws {
    let text = #"größer 😀 \" \\ \u0000"#
    let body = #"{"inputs":[{"name":"T","datatype":"BYTES","shape":[1],"data":["\#(text)"]}]}"#
    let answer = try JSONValue(parsing: host.curl("/v2/models/text/infer", "-d", body).output)
    #expect(answer["outputs"]?.array?[0]["data"] == [JSONValue.string("größer 😀 \" \\ \0")])
  }
}
