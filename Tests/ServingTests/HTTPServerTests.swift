import Foundation
import HTTPTestClient
import Testing

@testable import Serving

@Suite(.serialized, .timeLimit(.minutes(2))) struct `Serving HTTP` {
  private func noise(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
  }

  @Test(arguments: [false, true]) func `answers many requests on one connection`(tcp: Bool) throws {
    let server = try TestServer(loops: 2)
    let client = try server.client(tcp: tcp)
    for round in 0..<5 {
      #expect(try client.answer(to: get("/facts?round=\(round)")).text == "get /facts round=\(round) 0")
      try client.send(post("/echo", Array("body \(round)".utf8)))
      let answer = try client.answer()
      #expect(answer.text == "body \(round)")
      #expect(answer.headers["connection"] == nil)
    }
    #expect(eventually { server.handler.sentCount == 10 })
  }

  @Test func `answers pipelined requests in their order`() throws {
    let server = try TestServer()
    let client = try server.client()
    let all = (0..<10).flatMap { post("/echo?\($0)", Array(String(repeating: "\($0)", count: $0 * 10).utf8)) }
    try client.send(all)
    for index in 0..<10 { #expect(try client.answer().text == String(repeating: "\(index)", count: index * 10)) }
    #expect(try client.answer(to: get("/facts")).status == 200)
  }

  @Test func `answers pipelined requests of every framing`() throws {
    let server = try TestServer()
    let client = try server.client()
    let large = noise(100_000)
    var all = Array(get("/facts?a").utf8)
    all += Array(
      "POST /echo?b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".utf8)
    all += post("/echo?c", large)
    all += Array("\r\n".utf8) + Array("HEAD /facts?d HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
    all += Array(
      "POST /facts?e HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: y\r\n\r\n"
        .utf8)
    all += Array(get("/facts?f").utf8)
    try client.send(all)
    #expect(try client.answer().text == "get /facts a 0")
    #expect(try client.answer().text == "abc")
    #expect(try client.answer().body == large)
    #expect(try client.answer(toHead: true).headers["content-length"] == "15")
    #expect(try client.answer().text == "post /facts e 1")
    #expect(try client.answer().text == "get /facts f 0")
  }

  @Test func `reads a request byte by byte`() throws {
    let server = try TestServer()
    let client = try server.client(tcp: true)
    var yes: CInt = 1
    setsockopt(client.descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
    let request =
      post("/facts?slow", Array("hello".utf8))
      + Array(
        "POST /facts?chunks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n"
          .utf8)
    for byte in request { try client.send([byte]) }
    #expect(try client.answer().text == "post /facts slow 5")
    #expect(try client.answer().text == "post /facts chunks 3")
  }

  @Test func `keeps path and query of a chunked request`() throws {
    let server = try TestServer()
    let client = try server.client()
    let data = String(repeating: "x", count: 900)
    try client.send(
      "POST /facts?q HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n\(data)\r\n0\r\n\r\n")
    #expect(try client.answer().text == "post /facts q 900")
  }

  @Test func `takes a chunked body behind the largest head`() throws {
    let server = try TestServer()
    // Heads of all sizes around the buffer's.
    for filler in [16_200, 16_290, 16_300, 16_305, 16_310, 16_315, 16_320, 16_384, 30_000] {
      let client = try server.client()
      let line = "X: " + String(repeating: "f", count: filler)
      try client.send("POST /facts?q HTTP/1.1\r\nHost: localhost\r\n\(line)\r\nTransfer-Encoding: chunked\r\n\r\n")
      for _ in 0..<50 { try client.send("64\r\n\(String(repeating: "d", count: 100))\r\n") }
      try client.send("0\r\n\r\n")
      #expect(try client.answer().text == "post /facts q 5000", "\(filler)")
      try client.send("POST /facts?q HTTP/1.1\r\nHost: localhost\r\n\(line)\r\nContent-Length: 40000\r\n\r\n")
      try client.send([UInt8](repeating: 1, count: 40_000))
      #expect(try client.answer().text == "post /facts q 40000", "\(filler)")
    }
  }

  @Test(arguments: [false, true]) func `takes large bodies in slow pieces`(isChunked: Bool) throws {
    let server = try TestServer()
    let client = try server.client()
    let body = noise(1 << 20)
    let framing = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: \(body.count)"
    try client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\n\(framing)\r\n\r\n")
    for start in stride(from: 0, to: body.count, by: 77_777) {
      let part = body[start..<min(start + 77_777, body.count)]
      if isChunked { try client.send(String(part.count, radix: 16) + "\r\n") }
      try client.send(Array(part))
      if isChunked { try client.send("\r\n") }
    }
    if isChunked { try client.send("0\r\n\r\n") }
    #expect(try client.answer().body == body)
    #expect(try client.answer(to: get("/facts")).status == 200)
  }

  @Test(arguments: [0, 1, 63, 64, 100, 1000], [false, true])
  func `places large bodies so that what follows the head part is aligned`(offset: Int, isChunked: Bool) throws {
    let server = try TestServer()
    let client = try server.client()
    let body = noise(200_000)
    let sum = body.reduce(0) { $0 + Int($1) }
    for filler in ["", "Filler: x", "Filler: abcdefghijk"] {
      var head =
        "POST /align HTTP/1.1\r\nHost: localhost\r\nX-Align: \(offset)\r\n" + (filler.isEmpty ? "" : filler + "\r\n")
      head += isChunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: \(body.count)\r\n\r\n"
      try client.send(head)
      if isChunked { try client.send(String(body.count, radix: 16) + "\r\n") }
      try client.send(body)
      if isChunked { try client.send("\r\n0\r\n\r\n") }
      #expect(try client.answer().text == "0 \(sum)")
      let zipped = packed([body], .gzip)
      try client.send(post("/align", zipped, "X-Align: \(offset)", "Content-Encoding: gzip"))
      #expect(try client.answer().text == "0 \(sum)")
    }
  }

  @Test func `answers HEAD without a body and goes on`() throws {
    let server = try TestServer()
    let client = try server.client()
    #expect(try client.answer(to: "HEAD /facts HTTP/1.1\r\nHost: localhost\r\n\r\n").headers["content-length"] == "14")
    #expect(
      try client.answer(to: "HEAD /big HTTP/1.1\r\nHost: localhost\r\n\r\n").headers["content-length"] == "10485760")
    #expect(try client.answer(to: get("/facts")).text == "get /facts  0")
  }

  @Test func `refuses with a body after HEAD`() throws {
    let server = try TestServer()
    let client = try server.client()
    _ = try client.answer(to: "HEAD /facts HTTP/1.1\r\nHost: localhost\r\n\r\n")
    #expect(try client.answer(to: "GET /\u{7f} HTTP/1.1\r\nHost: localhost\r\n\r\n").text.hasPrefix("{\"error\":"))
    client.leave()
    // Another connection gets the same buffers.
    #expect(try server.client().answer(to: "X\r\n\r\n").text.hasPrefix("{\"error\":"))
  }

  @Test func `sends 100 Continue when it's waited for, and only then`() throws {
    let server = try TestServer()
    let client = try server.client()
    for framing in ["Content-Length: 3", "Content-Length: 300000", "Transfer-Encoding: chunked"] {
      try client.send("POST /facts HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\(framing)\r\n\r\n")
      #expect(try client.answer().status == 100)
      switch framing {
      case "Content-Length: 3": try client.send("abc")
      case "Content-Length: 300000": try client.send([UInt8](repeating: 0, count: 300_000))
      default: try client.send("1\r\nx\r\n0\r\n\r\n")
      }
      #expect(try client.answer().status == 200)
    }
    try client.send("POST /facts HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
    #expect(try client.answer().status == 200)
    #expect(try client.answer(to: get("/facts", "Expect: 100-continue")).status == 200)
  }

  @Test func `ends the connection when it's asked to, and in HTTP 1,0`() throws {
    let server = try TestServer()
    for text in [get("/facts", "Connection: close"), "GET /facts HTTP/1.0\r\n\r\n"] {
      let client = try server.client()
      let answer = try client.answer(to: text)
      #expect(answer.text == "get /facts  0")
      #expect(answer.headers["connection"] == "close")
      #expect(try client.rest() == [])
    }
    let client = try server.client()
    for _ in 0..<2 {
      let answer = try client.answer(to: "GET /facts HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      #expect(answer.headers["connection"] == "keep-alive")
    }
  }

  @Test func `sends heads that are larger than the room in front of the body`() throws {
    let server = try TestServer()
    let client = try server.client()
    for _ in 0..<2 {
      // Names repeat here, which the client's reader refuses: only the end matters.
      try client.send(get("/lines") + get("/facts", "Connection: close"))
      let rest = String(decoding: try client.rest(), as: UTF8.self)
      #expect(rest.hasSuffix("get /facts  0"))
      #expect(rest.components(separatedBy: "X-Long-Header").count == 61)
      break
    }
  }

  @Test func `serves no web pages over TCP, and any host on a Unix socket`() throws {
    let server = try TestServer()
    for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1"] {
      let request = "GET /facts HTTP/1.1\r\nHost: \(host)\r\n\r\n"
      #expect(try server.client(tcp: true).answer(to: request).status == 403, "\(host)")
      #expect(try server.client().answer(to: request).status == 200, "\(host)")
    }
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8000", "[::1]:80"] {
      #expect(
        try server.client(tcp: true).answer(to: "GET /facts HTTP/1.1\r\nHost: \(host)\r\n\r\n").status == 200, "\(host)"
      )
    }
    #expect(try server.client(tcp: true).answer(to: get("/facts", "Origin: http://evil.example")).status == 403)
  }

  // MARK: Compression

  @Test(arguments: [ContentCoding.gzip, .deflate]) func `takes and gives compressed bodies`(coding: ContentCoding)
    throws
  {
    let server = try TestServer()
    let client = try server.client()
    let name = coding == .gzip ? "gzip" : "deflate"
    for body in [Array("hello".utf8), noise(500_000), [UInt8](repeating: 1, count: 3_000_000)] {
      try client.send(post("/echo", packed([body], coding), "Content-Encoding: \(name.uppercased())"))
      let plain = try client.answer()
      #expect(plain.body == body)
      #expect(plain.headers["content-encoding"] == nil)
      try client.send(post("/echo", body, "Accept-Encoding: br, \(name);q=0.5"))
      let zipped = try client.answer()
      #expect(zipped.headers["content-encoding"] == name)
      #expect(zipped.body == packed([body], coding))
    }
    try client.send(get("/facts", "Accept-Encoding: gzip"))
    #expect(try client.answer().headers["content-encoding"] == nil)
    try client.send(get("/nowhere", "Accept-Encoding: gzip"))
    #expect(try client.answer().headers["content-encoding"] == nil)
  }

  @Test(arguments: [false, true]) func `refuses broken compressed bodies`(isChunked: Bool) throws {
    let server = try TestServer { $0.bodyBytes = 1 << 20 }
    let good = packed([Array("hello".utf8)], .gzip)
    let bad: [([UInt8], String, Int)] = [
      (Array(good.dropLast()), "gzip", 400), (good + [0], "gzip", 400), (Array("hello".utf8), "deflate", 400),
      (good, "br", 415), (good, "gzip, gzip", 415),
      (packed([[UInt8](repeating: 0, count: 2 << 20)], .gzip), "gzip", 413),
    ]
    for (body, coding, status) in bad {
      let client = try server.client()
      if isChunked {
        try client.send(
          "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: \(coding)\r\nTransfer-Encoding: chunked\r\n\r\n")
        try client.send(Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8))
      } else {
        try client.send(post("/echo", body, "Content-Encoding: \(coding)"))
      }
      let answer = try client.answer()
      #expect(answer.status == status, "\(coding) \(answer.text)")
      #expect(answer.headers["accept-encoding"] == (status == 415 ? "gzip, deflate" : nil))
      #expect(try client.rest() == [])
    }
  }

  // MARK: Web pages

  @Test(arguments: [
    ("GET /facts HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),  // DNS rebinding
    ("GET /facts HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 403),
    ("GET /facts HTTP/1.1\r\nHost: 127.0.0.1.evil.example:80\r\n\r\n", 403),
    ("GET /facts HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403),
    ("GET /facts HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n", 200),
    ("GET /facts HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", 200),
  ]) func `keeps web pages from the TCP port`(request: String, status: Int) throws {
    let server = try TestServer()
    #expect(try server.client(tcp: true).answer(to: request).status == status)
  }

  @Test func `takes any host on the Unix socket`() throws {
    let server = try TestServer()
    #expect(try server.client(tcp: false).answer(to: "GET /facts HTTP/1.1\r\nHost: any.example\r\n\r\n").status == 200)
  }

  // MARK: Idle

  @Test func `costs no CPU while nothing happens`() throws {
    let server = try TestServer(loops: 2) { $0.idleTimeoutMs = 3_600_000 }
    let clients = try (0..<20).map { try server.client(tcp: $0 % 2 == 0) }
    for client in clients { #expect(try client.answer(to: get("/facts")).status == 200) }
    // One request under way, one half sent.
    try clients[0].send(get("/wait"))
    try clients[1].send("GET /facts HTTP/1.1\r\n")
    #expect(eventually { server.handler.arrived == 1 })
    // The tests of other suites share this process, so threads are told by their name.
    let before = loopTicks()
    _ = poll(nil, 0, 500)
    #expect(loopTicks() - before <= 3, "clock ticks of 10 ms in half a second")
  }

  /// Clock ticks that threads called `serving-loop` have used so far.
  private func loopTicks() -> Int {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.reduce(0) { sum, task in
      guard let line = try? String(contentsOfFile: "/proc/self/task/\(task)/stat", encoding: .utf8),
        line.contains("(serving-loop)"), let end = line.lastIndex(of: ")")
      else { return sum }
      let fields = line[end...].split(separator: " ")
      // Behind the name: field 14 is user time, 15 system time.
      return sum + (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0)
    }
  }
}
