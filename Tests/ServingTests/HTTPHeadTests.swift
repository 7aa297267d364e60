import Testing

@testable import Serving

@Suite struct `Reading a request head` {
  @Test func `takes method, path, query and framing`() {
    let facts = read("POST /v2/a%20b?x=1&y HTTP/1.1\r\nhost:h\r\nCONTENT-length: \t12 \t\r\n\r\nrest").facts
    #expect(facts?.method == .post)
    #expect(facts?.path == "/v2/a%20b")
    #expect(facts?.query == "x=1&y")
    #expect(facts?.contentLength == 12)
    #expect(facts?.keepsAlive == true)
    #expect(facts?.byteCount == 64)
  }

  @Test(arguments: [
    ("GET", HTTPMethod.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete),
    ("OPTIONS", .options),
    ("PATCH", .patch), ("get", .other), ("BREW", .other),
  ])
  func `knows methods by their exact name`(name: String, method: HTTPMethod) {
    #expect(read("\(name) / HTTP/1.1\r\nHost: h\r\n\r\n").facts?.method == method)
  }

  @Test func `ignores one empty line in front`() {
    #expect(read("\r\n" + head()).facts?.path == "/")
    #expect(read("\r\n\r\n" + head()) == .refused(400))
  }

  @Test(arguments: [
    "GET / HTTP/1.1\nHost: h\r\n\r\n",  // bare line feeds
    "GET / HTTP/1.1\r\nHost: h\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\n", "\n" + head(),
    "GET / HTTP/1.1\rHost: h\r\n\r\n",  // a bare carriage return
    head("X: a\rb"), head("X : a"), head(": a"), head("X"), head("X Y: a"), head("X\u{e9}: a"),  // names
    head("X: a", " folded"), head("X: a", "\tfolded"), " " + head(), "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    head("X: a\u{0}b"), head("X: a\u{1}"), head("X: \u{7f}"), head("\u{0}: a"),  // control characters
    head("Content-Length: 1", "Content-Length: 2"), head("Content-Length: 1, 1"), head("Content-Length:"),
    head("Content-Length: +1"), head("Content-Length: -1"), head("Content-Length: 0x1"), head("Content-Length: 1 1"),
    head("Content-Length: 9999999999999999999"), head("Content-Length: 18446744073709551617"),
    head("Content-Length: 1", "Transfer-Encoding: chunked"), head("Transfer-Encoding: chunked", "Content-Length: 0"),
    head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    head("Transfer-Encoding: chunked", version: "1.0"),
    "GET / HTTP/1.1\r\n\r\n", head("Host: h"), head("Host: other"),  // no host, two hosts
    "GET /\r\nHost: h\r\n\r\n", "GET\r\nHost: h\r\n\r\n", "GET HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET  HTTP/1.1\r\nHost: h\r\n\r\n", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /\t HTTP/1.1\r\nHost: h\r\n\r\n", "GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /\u{0} HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1\r\nHost: h\r\n\r\n", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", "GET / http/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/x.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET example HTTP/1.1\r\nHost: h\r\n\r\n", "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n",
  ])
  func `refuses what two readers could understand differently`(text: String) {
    #expect(read(text) == .refused(400))
  }

  @Test func `refuses what it doesn't speak with the status that says so`() {
    #expect(read("GET / HTTP/2.0\r\nHost: h\r\n\r\n") == .refused(505))
    #expect(read("GET / HTTP/0.9\r\nHost: h\r\n\r\n") == .refused(505))
    #expect(read("PRI * HTTP/2.0\r\n\r\n") == .refused(505))
    for coding in ["gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "identity", "", "xchunked"] {
      #expect(read(head("Transfer-Encoding: \(coding)")) == .refused(501), "\(coding)")
    }
    #expect(read(head("Expect: wonders")) == .refused(417))
  }

  @Test func `takes equal lengths as one`() {
    #expect(read(head("Content-Length: 7", "Content-Length: 7")).facts?.contentLength == 7)
    #expect(read(head("Content-Length: 007")).facts?.contentLength == 7)
    #expect(read(head()).facts?.contentLength == nil)
  }

  @Test func `takes absolute targets as a proxy sends them`() {
    let facts = read("GET HTTP://example.org:80/v2?q HTTP/1.1\r\nHost: h\r\n\r\n").facts
    #expect(facts?.path == "/v2")
    #expect(facts?.query == "q")
  }

  @Test func `needs no host in HTTP 1,0`() {
    #expect(read("GET / HTTP/1.0\r\n\r\n").facts?.isHTTP10 == true)
    #expect(read("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n") == .refused(400))
  }

  @Test func `expects nothing in HTTP 1,0`() {
    #expect(read(head("Expect: 100-Continue")).facts?.expectsContinue == true)
    #expect(read(head("Expect: 100-continue", version: "1.0")).facts?.expectsContinue == false)
  }

  @Test(arguments: [
    ([], "1.1", true), (["Connection: close"], "1.1", false), (["Connection: Keep-Alive, CLOSE"], "1.1", false),
    (["Connection: close", "Connection: keep-alive"], "1.1", false), (["Connection: closed"], "1.1", true),
    ([], "1.0", false), (["Connection: keep-alive"], "1.0", true), (["Connection: x, Keep-Alive"], "1.0", true),
    (["Connection: keep-alive, close"], "1.0", false), (["Connection: close", "Connection: keep-alive"], "1.0", false),
  ])
  func `keeps a connection alive as its version says, unless close is asked for`(
    lines: [String], version: String, keepsAlive: Bool
  ) {
    let text = "GET / HTTP/\(version)\r\nHost: h\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n"
    #expect(read(text).facts?.keepsAlive == keepsAlive)
  }

  @Test(arguments: [
    ("gzip", ContentCoding.gzip), ("deflate", .deflate), ("gzip, deflate, br", .gzip), ("deflate, gzip", .deflate),
    ("gzip;q=0.5, deflate;q=0.8", .deflate), ("gzip;q=0.8, deflate;q=0.8", .gzip), ("gzip;q=0", .identity),
    ("GZIP;Q=1", .gzip), ("gzip ; q=0.001", .gzip), ("br", .identity), ("*", .identity), ("", .identity),
    ("identity, gzip", .identity), ("identity;q=0.5, gzip", .gzip), ("gzip;q=0.5, identity;q=0.6", .identity),
    ("gzip;q=0.000", .identity), ("gzip;q=x", .identity), ("gzip;q=-1", .identity), ("gzip;q=.5", .identity),
    (",,gzip,", .gzip), ("gzip;q=1.000, deflate", .gzip), ("x-gzip", .gzip),
  ])
  func `weighs accepted codings`(value: String, coding: ContentCoding) {
    #expect(read(head("Accept-Encoding: \(value)")).facts?.acceptedCoding == coding)
  }

  @Test func `takes codings on several lines together`() {
    #expect(read(head("Accept-Encoding: gzip", "Accept-Encoding: br")).facts?.acceptedCoding == .gzip)
    #expect(read(head("Content-Encoding: gzip", "Content-Encoding: gzip")).facts?.contentCoding == .unknown)
    #expect(read(head("Content-Encoding: gzip", "Content-Encoding: identity")).facts?.contentCoding != .identity)
  }

  @Test(arguments: [
    ("gzip", ContentCoding.gzip), ("GZip", .gzip), ("deflate", .deflate), ("identity", .identity), ("", .identity),
    ("br", .unknown), ("gzip, gzip", .unknown), ("gzipped", .unknown),
  ])
  func `knows content codings`(value: String, coding: ContentCoding) {
    #expect(read(head("Content-Encoding: \(value)")).facts?.contentCoding == coding)
  }

  // MARK: Limits

  private var small: ServingLimits {
    var limits = ServingLimits()
    limits.requestLineBytes = 100
    limits.headerBytes = 400
    limits.headerFields = 8
    return limits
  }

  @Test func `refuses long request lines with 414, finished or not`() {
    let long = "/" + String(repeating: "a", count: 100)
    #expect(read("GET \(long) HTTP/1.1\r\nHost: h\r\n\r\n", limits: small) == .refused(414))
    #expect(read("GET \(long)", limits: small) == .refused(414))
    let fitting = "GET /\(String(repeating: "a", count: 86)) HTTP/1.1\r\nHost: h\r\n\r\n"
    #expect(read(fitting, limits: small).facts?.path.count == 87)
  }

  @Test func `refuses large header sections with 431, finished or not`() {
    let long = "X: " + String(repeating: "a", count: 400)
    #expect(read(head(long), limits: small) == .refused(431))
    #expect(read("GET / HTTP/1.1\r\nHost: h\r\n" + long, limits: small) == .refused(431))
    #expect(read(head("X: " + String(repeating: "a", count: 300)), limits: small).facts != nil)
  }

  @Test func `refuses more fields than allowed with 431`() {
    let seven = String(repeating: "X: a\r\n", count: 7)
    #expect(read("GET / HTTP/1.1\r\nHost: h\r\n\(seven)\r\n", limits: small).facts != nil)
    #expect(read("GET / HTTP/1.1\r\nHost: h\r\n\(seven)Y: a\r\n\r\n", limits: small) == .refused(431))
  }

  @Test func `counts nothing behind the head against its limits`() {
    let body = String(repeating: "x", count: 1000)
    #expect(read(head("Content-Length: 1000") + body, limits: small).facts?.contentLength == 1000)
  }

  // MARK: Pieces

  @Test(arguments: [
    head("Content-Length: 12", "Accept-Encoding: gzip;q=0.5", "Connection: close"),
    "\r\n" + head("Expect: 100-continue"),
    "POST http://h/p?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n", head("X : a"), head("X: a", " folded"), head("Content-Length: 1", "Content-Length: 2"),
    "GET / HTTP/1.1\nHost: h\r\n\r\n", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
    "\r\n\r\n" + head(),
  ])
  func `reads the same in any two pieces, and byte by byte`(text: String) {
    let whole = read(text)
    let count = text.utf8.count
    for cut in 0...count { #expect(read(text, cuts: [cut]) == whole, "cut at \(cut)") }
    #expect(read(text, cuts: Array(0..<count)) == whole)
    if whole.facts != nil {
      for cut in 0..<count { #expect(read(String(decoding: text.utf8.prefix(cut), as: UTF8.self)) == .incomplete) }
    }
  }
}
