import BlockingTests
import Foundation
import HTTPTestClient
import Testing

@testable import Serving

@Suite(.waiting, .serialized, .timeLimit(.minutes(2))) struct `Serving within limits` {
  private func refusal(_ text: String, _ change: (inout ServingLimits) -> Void) throws -> Int {
    let server = try TestServer(loops: 1, change)
    let client = try server.client()
    try client.send(text)
    let answer = try client.answer()
    #expect(answer.text.hasPrefix("{\"error\":\""))
    #expect(answer.headers["content-type"] == "application/json")
    #expect(answer.headers["connection"] == "close")
    client.finishSending()
    #expect(try client.rest() == [])
    return answer.status
  }

  @Test func `refuses what is too long or too large`() throws {
    let long = String(repeating: "a", count: 300)
    #expect(try refusal(get("/\(long)")) { $0.requestLineBytes = 200 } == 414)
    #expect(try refusal("GET /\(long)") { $0.requestLineBytes = 200 } == 414)
    #expect(try refusal(get("/", "X: \(long)")) { $0.headerBytes = 256 } == 431)
    #expect(try refusal("GET / HTTP/1.1\r\nX: \(long)") { $0.headerBytes = 256 } == 431)
    #expect(try refusal(get("/", "A: 1", "B: 2", "C: 3")) { $0.headerFields = 3 } == 431)
    #expect(try refusal(get("/echo", "Content-Length: 1001")) { $0.bodyBytes = 1000 } == 413)
    #expect(try refusal(get("/echo", "Content-Length: 999999999999999999")) { _ in } == 413)
    #expect(try refusal(get("/echo", "Content-Length: 9999999", "Expect: 100-continue")) { $0.bodyBytes = 1000 } == 413)
    #expect(try refusal(get("/echo", "Transfer-Encoding: chunked") + "3E9\r\n") { $0.bodyBytes = 1000 } == 413)
  }

  @Test func `delivers the refusal though the client keeps sending`() throws {
    let server = try TestServer { $0.bodyBytes = 1000 }
    for isTCP in [false, true] {
      let client = try server.client(tcp: isTCP)
      try client.send(get("/echo", "Content-Length: 3000000"))
      try client.send([UInt8](repeating: 0, count: 3_000_000))
      #expect(try client.answer().status == 413)
      client.finishSending()
      #expect(try client.rest() == [])
    }
  }

  @Test func `takes the largest body that is allowed`() throws {
    let server = try TestServer { $0.bodyBytes = 100_000 }
    let client = try server.client()
    let body = [UInt8](repeating: 5, count: 100_000)
    try client.send(post("/echo", body))
    #expect(try client.answer().body == body)
    try client.send(get("/facts", "Transfer-Encoding: chunked") + "186A0\r\n")
    try client.send(body + Array("\r\n0\r\n\r\n".utf8))
    #expect(try client.answer().text == "get /facts  100000")
  }

  @Test func `refuses bodies when their memory is used up, and takes them again later`() throws {
    let server = try TestServer { $0.totalBodyBytes = 1_000_000 }
    let first = try server.client()
    let body = [UInt8](repeating: 1, count: 600_000)
    try first.send(post("/wait", body))
    #expect(eventually { server.handler.arrived == 1 })
    let chunked = "POST /facts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for round in 0..<3 {
      let second = try server.client()
      switch round {
      case 0: try second.send(post("/facts", body))
      case 1: try second.send(Array(chunked.utf8) + Array("927C0\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8))
      default: try second.send(post("/facts", packed([body], .gzip), "Content-Encoding: gzip"))
      }
      #expect(try second.answer().status == 503, "round \(round)")
    }
    server.handler.open()
    #expect(try first.answer().status == 200)
    for _ in 0..<5 {
      try first.send(post("/facts", body))
      #expect(try first.answer().status == 200)
      try first.send(Array(chunked.utf8) + Array("61A80\r\n".utf8) + body[..<400_000] + Array("\r\n0\r\n\r\n".utf8))
      #expect(try first.answer().status == 200)
      try first.send(post("/facts", packed([Array(body[..<200_000])], .gzip), "Content-Encoding: gzip"))
      #expect(try first.answer().status == 200)
    }
  }

  @Test func `refuses connections beyond the limit, and takes them again later`() throws {
    let server = try TestServer { $0.connections = 2 }
    var clients = try (0..<2).map { _ in try server.client() }
    for client in clients { #expect(try client.answer(to: get("/facts")).status == 200) }
    for isTCP in [false, true] {
      let third = try server.client(tcp: isTCP)
      let answer = try third.answer()
      #expect(answer.status == 503)
      #expect(answer.headers["retry-after"] == "1")
      let id = try #require(answer.headers["x-request-id"])
      let text =
        #"{"error":"too many connections are open; try again in a second","code":"overloaded","requestId":"\#(id)"}"#
      #expect(answer.text == text)
      #expect(try third.rest() == [])
    }
    clients.removeFirst().leave()
    #expect(eventually { server.server.connectionCount == 1 })
    #expect(try server.client().answer(to: get("/facts")).status == 200)
  }

  @Test func `ends the oldest connections that have asked nothing when there are too many`() throws {
    let server = try TestServer { $0.newConnections = 2 }
    let known = try server.client()
    #expect(try known.answer(to: get("/facts")).status == 200)
    let (silent, slow) = (try server.client(), try server.client())
    try slow.send("GET /facts HTTP/1.1\r\nHost: loc")
    #expect(eventually { server.server.connectionCount == 3 })
    let third = try server.client()
    #expect(try silent.rest() == [])
    let fourth = try server.client(tcp: true)
    #expect(try slow.rest() == [])
    for client in [known, third, fourth] { #expect(try client.answer(to: get("/facts")).status == 200) }
    // Who was served makes room for others of the kind.
    for client in [try server.client(), try server.client(), third, fourth] {
      #expect(try client.answer(to: get("/facts")).status == 200)
    }
  }

  @Test func `takes no memory for bodies that are only announced`() throws {
    let server = try TestServer { $0.totalBodyBytes = 1_000_000 }
    let announced = try ["POST /facts", "PUT /sink", "POST /facts"].map { line in
      let client = try server.client()
      try client.send("\(line) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\na")
      return client
    }
    #expect(eventually { server.handler.lastSink != nil })
    let client = try server.client()
    try client.send(post("/facts", [UInt8](repeating: 1, count: 900_000)))
    #expect(try client.answer().status == 200)
    withExtendedLifetime(announced) {}
  }

  // MARK: Time

  @Test(arguments: ["G", "GET / HTTP/1.1\r\nHost: localhost\r\n"]) func `answers 408 to a head that doesn't end`(
    text: String
  )
    throws
  {
    #expect(try refusal(text) { $0.headerTimeoutMs = 50 } == 408)
  }

  @Test func `gives a head no more time for each byte`() throws {
    let server = try TestServer { $0.headerTimeoutMs = 300 }
    let client = try server.client()
    var status = 0
    try client.send("GET / HTTP/1.1\r\nX: ")
    for _ in 0..<1000 {
      var polled = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
      if poll(&polled, 1, 20) > 0 {
        status = try client.answer().status
        break
      }
      try client.send("a")
    }
    #expect(status == 408)
  }

  @Test(arguments: [
    "Content-Length: 10\r\n\r\nabc", "Content-Length: 100000\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
  ])
  func `answers 408 to a body that stands still`(rest: String) throws {
    #expect(try refusal("POST /echo HTTP/1.1\r\nHost: localhost\r\n\(rest)") { $0.progressTimeoutMs = 50 } == 408)
  }

  @Test(arguments: [
    "POST /echo|Content-Length: 1000\r\n\r\n", "POST /echo|Content-Length: 100000\r\n\r\n",
    "POST /echo|Transfer-Encoding: chunked\r\n\r\n186A0\r\n", "PUT /sink|Content-Length: 100000\r\n\r\n",
  ])
  func `answers 408 to a body that comes too slowly`(request: String) throws {
    let server = try TestServer {
      $0.bodyBytesPerSecond = 10_000; $0.bodyGraceMs = 300
    }
    let client = try server.client()
    let parts = request.split(separator: "|")
    try client.send("\(parts[0]) HTTP/1.1\r\nHost: localhost\r\n\(parts[1])")
    var answer: Answer?
    for _ in 0..<1000 where answer == nil {
      var polled = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
      if poll(&polled, 1, 10) > 0 { answer = try client.answer() } else { try client.send("a") }
    }
    #expect(answer?.status == 408 && answer?.headers["connection"] == "close")
    #expect(answer?.text.contains(#""details":{"limit":"serving.minBodyBytesPerSecond","value":10000}"#) == true)
  }

  @Test func `takes a body that is fast enough on the whole`() throws {
    let server = try TestServer {
      $0.bodyBytesPerSecond = 2000; $0.bodyGraceMs = 100; $0.progressTimeoutMs = 0
    }
    let client = try server.client()
    try client.send(post("/facts", [UInt8](repeating: 1, count: 100_000)).dropLast(20))
    for _ in 0..<20 {
      _ = poll(nil, 0, 50)
      try client.send("a")
    }
    #expect(try client.answer().text == "post /facts  100000")
  }

  @Test func `takes no body for slow while it is the host that takes its time`() throws {
    let server = try TestServer {
      $0.bodyBytesPerSecond = 1 << 30; $0.bodyGraceMs = 300
    }
    let client = try server.client()
    // Two pieces are read while the first is held; what is left fits the socket.
    try client.send("PUT /held HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2100000\r\n\r\n")
    try client.send([UInt8](repeating: 1, count: 2_100_000))
    #expect(eventually { server.handler.arrived > 0 })
    _ = poll(nil, 0, 1000)
    server.handler.open()
    #expect(try client.answer().status == 200)
  }

  @Test func `gives a request that follows its own time`() throws {
    let server = try TestServer {
      $0.headerTimeoutMs = 400; $0.progressTimeoutMs = 400
    }
    let client = try server.client()
    for _ in 0..<6 {
      try client.send("POST /echo HTTP/1.1\r\n")
      _ = poll(nil, 0, 100)
      try client.send("Host: localhost\r\nContent-Length: 3\r\n\r\na")
      _ = poll(nil, 0, 100)
      try client.send("bc")
      #expect(try client.answer().text == "abc")
    }
  }

  @Test(arguments: [false, true]) func `ends idle connections after their time`(tcp: Bool) throws {
    let server = try TestServer {
      $0.idleTimeoutMs = 50; $0.unixIdleTimeoutMs = 50
    }
    let fresh = try server.client(tcp: tcp)
    let used = try server.client(tcp: tcp)
    #expect(try used.answer(to: get("/facts")).status == 200)
    let large = try server.client(tcp: tcp)
    try large.send(post("/facts", [UInt8](repeating: 0, count: 200_000)))
    #expect(try large.answer().status == 200)
    for client in [fresh, used, large] { #expect(try client.rest() == []) }
    #expect(eventually { server.server.connectionCount == 0 })
  }

  @Test func `lets a request take longer than the idle time`() throws {
    let server = try TestServer {
      $0.idleTimeoutMs = 50; $0.unixIdleTimeoutMs = 50; $0.headerTimeoutMs = 50
    }
    let client = try server.client()
    try client.send(get("/wait"))
    #expect(eventually { server.handler.arrived == 1 })
    _ = poll(nil, 0, 700)
    server.handler.open()
    #expect(try client.answer().text == "waited")
  }

  @Test(arguments: [false, true]) func `ends the connection of a client that doesn't read`(tcp: Bool) throws {
    let server = try TestServer { $0.progressTimeoutMs = 50 }
    let client = try server.client(tcp: tcp)
    try client.send(get("/big"))
    #expect(eventually { server.server.connectionCount == 0 && server.handler.sentCount == 1 })
    let rest = try client.rest()
    #expect(rest.count < TestHandler.bigBytes)
  }

  @Test func `serves a slow reader as long as it goes on`() throws {
    let server = try TestServer { $0.progressTimeoutMs = 2000 }
    let client = try server.client()
    try client.send(get("/big") + get("/facts"))
    _ = poll(nil, 0, 300)
    #expect(try client.answer().body.count == TestHandler.bigBytes)
    #expect(try client.answer().text == "get /facts  0")
  }
}
