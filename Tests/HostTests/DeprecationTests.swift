import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Versions that are served with a word of warning.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `A deprecated version` {
  private static let input =
    #"{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,16],"data":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}]}"#

  private func host() throws -> Host {
    let folder = TemporaryFolder()
    let host = try Host(["--data", "\(folder.path)/data"], folder: folder)
    for version in ["1", "2"] {
      #expect(try host.stadion("model", "push", Setup.onnx("identity"), "m o:\(version)").status == 0)
    }
    #expect(try host.stadion("model", "promote", "m o:1").status == 0)
    return host
  }

  private func headers(_ answer: HTTPResponse) -> [String?] {
    #expect(answer.status == 200)
    return ["deprecation", "sunset", "link"].map { answer.header($0) }
  }

  private func infer(_ host: Host, _ version: String) throws -> HTTPResponse {
    try host.send("POST", "/v2/models/m%20o/versions/\(version)/infer", Self.input)
  }

  @Test func `says so in its answers, and no other does`() throws {
    let host = try host()
    let result = try host.stadion(
      "model", "deprecate", "m o:1", "--since", "2023-06-30T23:59:59Z", "--sunset", "2030-12-31", "--successor", "2")
    #expect(
      result.output == "m o:1 is deprecated since 2023-06-30, until 2030-12-31, followed by 2\n", "\(result.errors)")
    // RFC 9745 section 2.1, RFC 8594 section 3.
    let wanted = [
      "@1688169599", "Tue, 31 Dec 2030 00:00:00 GMT", #"</v2/models/m%20o/versions/2>; rel="successor-version""#,
    ]
    #expect(headers(try infer(host, "1")) == wanted)
    #expect(headers(try infer(host, "production")) == wanted)
    #expect(headers(try host.send("GET", "/v2/models/m%20o/versions/1")) == wanted)
    #expect(headers(try infer(host, "2")) == [nil, nil, nil])
    // It is moved to another process without a word being lost.
    #expect(try host.stadion("runner", "restart", "org.stadion.onnxruntime").status == 0)
    #expect(headers(try infer(host, "1")) == wanted)
    let successor = ["version": "2"] as JSONValue
    #expect(
      try host.json("GET", "/v1/versions?stage=production")["versions"]?.array?.first?["deprecation"]?["successor"]
        == successor)
    #expect(try host.stadion("model", "history", "m o").output.contains("followed by 2"))

    #expect(try host.stadion("model", "undeprecate", "m o:1").status == 0)
    #expect(headers(try infer(host, "1")) == [nil, nil, nil])
    #expect(try host.stadion("model", "undeprecate", "m o:1").errors.contains("isn't deprecated"))
    #expect(try host.json("GET", "/v1/models/m%20o/versions/1")["deprecation"] == nil)
  }

  @Test func `says so after a restart of the host`() throws {
    var host: Host? = try host()
    #expect(try host?.stadion("model", "deprecate", "m o:1").status == 0)
    let folder = try #require(host?.folder)
    host = nil
    let again = try Host(["--data", "\(folder.path)/data"], folder: folder)
    #expect(headers(try infer(again, "1")).map { $0 != nil } == [true, false, false])
  }

  @Test(arguments: [
    (#"{"successor": "3"}"#, 404, "has no version '3'"), (#"{"successor": "1"}"#, 409, "can't follow itself"),
    (#"{"successor": {"model": "n", "version": "1"}}"#, 404, "'n' is not registered"),
    (#"{"sinceMs": 2000, "sunsetMs": 1000}"#, 400, "'sunsetMs' is before 'sinceMs'"),
    (#"{"sinceMs": 300000000000000}"#, 400, "before the year 10000"), (#"{"since": 1}"#, 400, "'since' is not known"),
  ])
  func `is refused what makes no sense`(body: String, status: Int, words: String) throws {
    let host = try host()
    let answer = try host.send("PUT", "/v1/models/m%20o/versions/1/deprecation", body)
    #expect(answer.status == status && answer.text.contains(words), "\(answer.text)")
    #expect(headers(try infer(host, "1")) == [nil, nil, nil])
  }
}
