import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// Every refusal of a real host, as clients and operators see it.
@Suite(.blocking) struct `Errors of a host` {
  private let host: Host

  init() throws {
    host = try Host(["--max-body-bytes", "10000", "--header-timeout-ms", "300", "--log-level", "debug"]) { folder in
      try folder.addEcho("echo", "X:f32[-1]")
      try folder.addEcho("failing", "X:f32[-1]", options: ["fail": "out of order"])
    }
  }

  private static let body = #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#

  @Test(
    arguments: [
      ("GET", "/nowhere", 404, "notFound"), ("GET", "/v2/models/nobody", 404, "notFound"),
      ("GET", "/v1/nowhere", 404, "notFound"), ("GET", "/v1/models/nobody", 404, "notFound"),
      ("DELETE", "/v2/health/live", 405, "methodNotAllowed"), ("GET", "/v2/models/echo/infer", 405, "methodNotAllowed"),
      ("POST", "/v2/models/echo/infer", 400, "invalidRequest"), ("POST", "/v2/models/nobody/infer", 404, "notFound"),
      ("POST", "/v2/repository/models/nobody/load", 404, "notFound"),
    ] as [(String, String, Int, String)])
  func `a refusal has a stable code`(method: String, path: String, status: Int, code: String) throws {
    let response = try host.send(method, path, headers: [("X-Request-Id", "mine")])
    let value = try JSONValue(parsing: response.body)
    #expect(response.status == status && value["code"]?.string == code, "\(value.text)")
    #expect(value["error"]?.string?.isEmpty == false)
    #expect(value["requestId"] == "mine" && response.header("x-request-id") == "mine")
  }

  @Test(
    arguments: [
      ("POST /v2/models/echo/infer HTTP/1.1\r\nHost: a\r\n\r\n", 411, "lengthRequired"),
      ("POST /v2/models/echo/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 10001\r\n\r\n", 413, "payloadTooLarge"),
      ("what is this\r\n\r\n", 400, "invalidRequest"), ("GET / HTTP/1.1\r\nHost: a\r\n", 408, "requestTimeout"),
      ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "httpVersionNotSupported"),
    ] as [(String, Int, String)])
  func `so has what never becomes a request`(text: String, status: Int, code: String) throws {
    let connection = try RawConnection(host.socket)
    connection.send(Array(text.utf8))
    // 411 keeps the connection, 408 comes to who goes on sending; the others end it.
    if status != 408 { connection.endSending() }
    let answer = try #require(connection.readToEnd())
    #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
    let end = try #require(answer.range(of: "\r\n\r\n"))
    let value = try JSONValue(parsing: String(answer[end.upperBound...]))
    if status == 413 { #expect(value["details"] == ["limitBytes": 10000]) }
    let id = try #require(value["requestId"]?.string)
    #expect(value["code"]?.string == code && answer.contains("X-Request-Id: \(id)\r\n"), "\(answer)")
    #expect(try holds { try host.log().contains { $0["requestId"]?.string == id } })
  }

  @Test func `v1 answers with a problem where that is accepted`() throws {
    let response = try host.send("GET", "/v1/models/nobody", headers: [("Accept", "application/problem+json")])
    let value = try JSONValue(parsing: response.body)
    #expect(response.status == 404 && response.header("content-type") == "application/problem+json")
    #expect(
      value["status"] == 404 && value["code"] == "notFound" && value["detail"]?.string?.contains("nobody") == true)
  }

  @Test func `the log names the request, and so does the command line`() throws {
    let failed = try host.stadion("infer", "failing", "--input", "[1]")
    let line = try #require(try host.log("a request failed").last)
    let id = try #require(line["requestId"]?.string)
    #expect(
      failed.status == 1 && failed.errors.hasSuffix("out of order (runnerFailed, request \(id))\n"), "\(failed.errors)")
    let unknown = try host.stadion("infer", "nobody", "--input", "[1]")
    #expect(unknown.errors.hasSuffix("is not found (notFound)\n"), "\(unknown.errors)")
    _ = try host.send("GET", "/v2/models/echo", headers: [("X-Request-Id", "look-here")])
    #expect(try holds { try host.log("request").contains { $0["requestId"] == "look-here" } })
  }

  @Test func `what a control request causes is logged with its id`() throws {
    let load = ("X-Request-Id", "unloading")
    #expect(try host.send("POST", "/v2/repository/models/echo/unload", headers: [load]).status == 200)
    #expect(try holds { try host.log("unloaded a model").contains { $0["requestId"] == "unloading" } })
  }

  @Test func `the client reads code, details and id`() throws {
    do throws(HostError) {
      _ = try host.client.model("nobody")
      Issue.record("no error")
    } catch {
      #expect(error.code == .notFound && error.requestID?.isEmpty == false)
    }
  }
}

@Suite(.blocking) struct `Documents made from the code` {
  @Test(arguments: ["errors", "configuration"]) func `are what the code says`(page: String) throws {
    let made = try Command.run([Setup.stadion, "reference", page]).output
    let there = try String(contentsOfFile: "\(Setup.root)/docs/\(page).md", encoding: .utf8)
    #expect(made == there, "docs/\(page).md is stale: make docs")
  }

  @Test func `the errors have a line for each code`() throws {
    let text = try String(contentsOfFile: "\(Setup.root)/docs/errors.md", encoding: .utf8)
    for code in HostError.Code.allCases { #expect(text.contains("| `\(code.rawValue)` | \(code.httpStatus) |")) }
  }
}
