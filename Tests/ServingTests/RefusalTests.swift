import BlockingTests
import HTTPTestClient
import Inference
import Testing
import Wire

@testable import Serving

/// Errors as they leave the server, and the names of requests.
@Suite(.waiting, .timeLimit(.minutes(1))) struct `Answering with an error` {
  private let server: TestServer

  init() throws { server = try TestServer { $0.bodyBytes = 1000 } }

  private func answer(_ path: String, _ lines: String...) throws -> Answer {
    let head = "GET \(path) HTTP/1.1\r\nHost: localhost\r\n" + lines.map { "\($0)\r\n" }.joined() + "\r\n"
    return try server.client().answer(to: head)
  }

  private func json(_ answer: Answer) throws -> JSONValue { try JSONValue(parsing: answer.body) }

  @Test func `text, code and request id are in the body, the id in a header, too`() throws {
    let answer = try answer("/none")
    #expect(answer.status == 404 && answer.headers["content-type"] == "application/json")
    let value = try json(answer)
    #expect(value.members?.map(\.key) == ["error", "code", "requestId"])
    #expect(value["error"] == "Not Found" && value["code"] == "notFound")
    #expect(value["requestId"]?.string == answer.headers["x-request-id"])
  }

  @Test(
    arguments: [
      ("BAD\r\n\r\n", "invalidRequest"), ("GET / HTTP/2.0\r\n\r\n", "httpVersionNotSupported"),
      ("GET /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n", "payloadTooLarge"),
      ("GET /echo HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\n\r\n", "expectationFailed"),
      ("GET /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", "notOffered"),
    ] as [(String, String)])
  func `what is no request has a code and an id as well`(text: String, code: String) throws {
    let answer = try server.client().answer(to: text)
    let value = try json(answer)
    #expect(value["code"]?.string == code)
    #expect(answer.status == HostError.Code(rawValue: code)?.httpStatus)
    #expect(value["requestId"]?.string?.isEmpty == false)
    #expect(value["requestId"]?.string == answer.headers["x-request-id"])
  }

  @Test func `details and a time to wait are told`() throws {
    let exchange = Exchange(limits: ServingLimits())
    exchange.refuse(HostError(.quotaExceeded, "too \"much\"", details: ["limit": "requests", "used": 7]))
    let text = String(
      decoding: UnsafeRawBufferPointer(rebasing: exchange.out.bytes[Exchange.headRoom...]), as: UTF8.self)
    #expect(text.hasPrefix(#"{"error":"too \"much\"","code":"quotaExceeded","requestId":""#))
    #expect(text.hasSuffix(#"","details":{"limit":"requests","used":7}}"#))
    #expect(exchange.headerLines.string == "Retry-After: 1\r\n")
    exchange.refuse(HostError(.overloaded, "busy", retryAfterSeconds: 30))
    #expect(exchange.headerLines.string == "Retry-After: 30\r\n")
    exchange.refuse(HostError(.unauthenticated, "who?"))
    #expect(exchange.headerLines.string == "WWW-Authenticate: Bearer\r\n")
    exchange.refuse(HostError(.notFound, "no"))
    #expect(exchange.headerLines.count == 0)
  }

  @Test func `below v1 it is a problem of RFC 9457 where that is accepted`() throws {
    let answer = try answer("/v1/none", "Accept: text/html, Application/Problem+JSON;q=0.5", "X-Request-Id: r")
    #expect(answer.status == 404 && answer.headers["content-type"] == "application/problem+json")
    let value = try json(answer)
    #expect(value.members?.map(\.key) == ["type", "title", "status", "detail", "code", "requestId"])
    #expect(value["type"] == "urn:stadion:error:notFound" && value["status"] == 404 && value["detail"] == "Not Found")
    #expect(value["requestId"] == "r")
  }

  @Test(arguments: [
    ("/v2/none", "application/problem+json"), ("/v1/none", "application/json"), ("/v1/none", "*/*"),
    ("/v1/none", "application/problem+json;q=0"), ("/v1x", "application/problem+json"),
  ]) func `elsewhere it is what clients of the protocol read`(path: String, accept: String) throws {
    let answer = try answer(path, "Accept: \(accept)")
    #expect(answer.headers["content-type"] == "application/json")
    #expect(try json(answer)["error"] == "Not Found")
  }

  @Test(arguments: [
    ("GET /v1/keys HTTP/1.1", "Broken field\r\n\r\n", 400), ("GET /v1/keys HTTP/1.1", "X: \(wide)\r\n", 431),
    ("GET /v1/keys HTTP/1.1", "X: still to", 408), ("POST /v1/keys HTTP/1.1", "Content-Length: 99999999\r\n\r\n", 413),
    ("POST /v1/keys HTTP/1.1", "Content-Length: 9\r\n\r\nslow", 408),
    ("POST /v1/keys HTTP/1.1", "Content-Length: 3\r\nContent-Encoding: br\r\n\r\nabc", 415),
    ("POST /v1/keys HTTP/1.1", "Transfer-Encoding: chunked\r\n\r\nno number\r\n", 400),
    ("POST /v1/keys HTTP/1.1", "Expect: a miracle\r\n\r\n", 417), ("GET /v1/keys HTTP/3.0", "\r\n", 505),
    ("POST /v1/keys HTTP/1.1", "Transfer-Encoding: br\r\n\r\n", 501),
  ]) func `it is a problem there, too, where it never becomes a request`(line: String, rest: String, status: Int) throws
  {
    let server = try TestServer {
      $0.headerTimeoutMs = 200; $0.progressTimeoutMs = 200; $0.headerBytes = 1000; $0.bodyBytes = 1_000_000
    }
    let client = try server.client()
    try client.send("\(line)\r\nHost: localhost\r\nAccept: application/problem+json\r\n\(rest)")
    let answer = try client.answer()
    #expect(answer.status == status && answer.headers["content-type"] == "application/problem+json", "\(answer.text)")
    let value = try json(answer)
    #expect(value["status"]?.int == status && value["type"]?.string?.hasPrefix("urn:stadion:error:") == true)
    #expect(value["detail"]?.string?.isEmpty == false && value["requestId"]?.string?.isEmpty == false)
  }

  private static let wide = String(repeating: "x", count: 1000)

  // MARK: Request ids

  private static let longest = String(repeating: "a", count: 128)

  @Test(arguments: ["a", "6f3c-Z_9.~:/+=@", longest]) func `a usable id comes back`(id: String) throws {
    #expect(try answer("/facts", "X-Request-Id: \(id)").headers["x-request-id"] == id)
    let refusal = try answer("/none", "x-request-id:  \(id) ")
    #expect(refusal.headers["x-request-id"] == id)
    #expect(try json(refusal)["requestId"]?.string == id)
  }

  @Test(arguments: ["", "a b", "a\"b", "a\\b", "ü", "a;b", "a,b", "<b>", longest + "a"])
  func `another is replaced by a new one`(id: String) throws {
    let given = try #require(try answer("/facts", "X-Request-Id: \(id)").headers["x-request-id"])
    #expect(given.wholeMatch(of: /[0-9a-f]{16}-[0-9a-f]+/) != nil, "\(given)")
  }

  @Test func `an answer names no id that nobody asked for`() throws {
    #expect(try answer("/facts").headers["x-request-id"] == nil)
  }

  @Test func `new ids are all different, on one connection and on several`() throws {
    var ids: Set<String> = []
    for _ in 0..<3 {
      let client = try server.client()
      for _ in 0..<3 { ids.insert(try #require(try client.answer(to: get("/none")).headers["x-request-id"])) }
    }
    #expect(ids.count == 9)
  }

  @Test func `an id is known though the head never ends`() throws {
    let server = try TestServer { $0.headerTimeoutMs = 50 }
    let client = try server.client()
    // More than a buffer's first room, so that it moves.
    try client.send("GET / HTTP/1.1\r\nX-Request-Id: slow\r\nX: \(String(repeating: "x", count: 20_000))\r\n")
    let answer = try client.answer()
    #expect(answer.status == 408 && answer.headers["x-request-id"] == "slow")
  }

  @Test func `one request's id doesn't stay for the next`() throws {
    let client = try server.client()
    #expect(try client.answer(to: get("/facts", "X-Request-Id: one")).headers["x-request-id"] == "one")
    #expect(try client.answer(to: get("/facts")).headers["x-request-id"] == nil)
    let refusal = try client.answer(to: "BAD\r\n\r\n")
    #expect(refusal.status == 400 && refusal.headers["x-request-id"] != "one")
  }

  // MARK: Limits

  @Test func `limits can change while it serves`() throws {
    let client = try server.client()
    #expect(try client.answer(to: get("/facts", "Content-Length: 5") + "12345").status == 200)
    server.server.limits.bodyBytes = 4
    server.server.limits.headerFields = 100_000
    #expect(server.server.limits.headerFields == ServingLimits().headerFields)
    #expect(try client.answer(to: get("/facts", "Content-Length: 5") + "12345").status == 413)
  }
}
