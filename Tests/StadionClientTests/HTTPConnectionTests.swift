import Inference
import StadionClient
import Testing

@Suite struct `Speaking HTTP` {
  private func exchange(_ answer: String, method: String = "GET") throws -> HTTPResponse {
    let server = try ScriptedServer(answer)
    return try HTTPConnection(.unix(path: server.path), timeout: .seconds(10)).send(method, "/")
  }

  @Test func `reads a body by its length`() throws {
    let response = try exchange("HTTP/1.1 200 OK\r\ncontent-LENGTH:  5 \r\nX: y\r\n\r\nhello")
    #expect(response.status == 200)
    #expect(response.body == Array("hello".utf8))
    #expect(response.header("x") == "y")
    #expect(response.keepsConnection)
  }

  @Test func `joins chunks and skips extensions and trailers`() throws {
    let response = try exchange(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n, my world\r\n0\r\nT: x\r\n\r\n")
    #expect(String(decoding: response.body, as: UTF8.self) == "hello, my world")
  }

  @Test func `reads to the end of the stream without a length`() throws {
    let server = try ScriptedServer([Array("HTTP/1.0 200 OK\r\n\r\nall of it".utf8)], closes: true)
    let response = try HTTPConnection(.unix(path: server.path), timeout: .seconds(10)).send("GET", "/")
    #expect(String(decoding: response.body, as: UTF8.self) == "all of it")
    #expect(!response.keepsConnection)
  }

  @Test func `skips interim responses`() throws {
    let response = try exchange("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    #expect(response.status == 204)
  }

  @Test func `expects no body of HEAD`() throws {
    let response = try exchange("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", method: "HEAD")
    #expect(response.body.isEmpty)
  }

  @Test func `uses one connection for many requests`() throws {
    let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8)
    let server = try ScriptedServer([answer, answer, answer])
    let connection = HTTPConnection(.unix(path: server.path), timeout: .seconds(10))
    for _ in 0..<3 { #expect(try connection.send("GET", "/").status == 200) }
    #expect(server.connectionCount == 1)
  }

  @Test func `connects again where the server closed`() throws {
    let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".utf8)
    let server = try ScriptedServer([answer, answer], closes: true)
    let connection = HTTPConnection(.unix(path: server.path), timeout: .seconds(10))
    for _ in 0..<2 { #expect(try connection.send("GET", "/").status == 200) }
    #expect(server.connectionCount == 2)
  }

  @Test(arguments: [
    "HTTP/2 200 OK\r\n\r\n", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
  ]) func `refuses what is no answer`(answer: String) {
    let error = #expect(throws: HostError.self) { try exchange(answer) }
    #expect(error?.code == .internalError)
  }

  @Test func `tells that the server hung up`() throws {
    let server = try ScriptedServer([Array("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".utf8)], closes: true)
    let error = #expect(throws: HostError.self) {
      try HTTPConnection(.unix(path: server.path), timeout: .seconds(10)).send("GET", "/")
    }
    #expect(error?.code == .overloaded)
  }

  @Test func `stops at the limit before taking memory`() throws {
    let server = try ScriptedServer("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    let connection = HTTPConnection(.unix(path: server.path), timeout: .seconds(10))
    connection.maxBodyBytes = 1000
    let error = #expect(throws: HostError.self) { try connection.send("GET", "/") }
    #expect(error?.message == "the answer has 1000000 bytes or more; the limit is 1000")
  }

  @Test func `gives up when the time is over`() throws {
    let server = try ScriptedServer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    let connection = HTTPConnection(.unix(path: server.path), timeout: .milliseconds(30))
    let error = #expect(throws: HostError.self) { try connection.send("GET", "/") }
    #expect(error?.code == .deadlineExceeded)
  }

  @Test func `says what to do when nobody listens`() {
    let error = #expect(throws: HostError.self) {
      try HTTPConnection(.unix(path: "/tmp/nobody-is-here.sock")).send("GET", "/")
    }
    #expect(error?.message.contains("start a host with `stadion serve`") == true)
  }

  @Test func `reads addresses`() throws {
    #expect(try HostAddress(url: "http://localhost:8080/") == .tcp(host: "localhost", port: 8080))
    #expect(try HostAddress(url: "http://[::1]:80") == .tcp(host: "::1", port: 80))
    #expect(try HostAddress(url: "http://a") == .tcp(host: "a", port: 80))
    for bad in ["https://a", "a:80", "http://", "http://a:0", "http://a:99999", "http://a/b", "http://[::1"] {
      #expect(throws: HostError.self) { try HostAddress(url: bad) }
    }
  }

  @Test func `finds the usual socket`() {
    func standard(_ variables: [String: String], _ files: Set<String> = []) -> HostAddress {
      .standard(environment: { variables[$0] }, exists: files.contains)
    }
    #expect(standard([:]) == .unix(path: "/run/stadion.sock"))
    #expect(standard(["XDG_RUNTIME_DIR": "/x"]) == .unix(path: "/x/stadion.sock"))
    #expect(standard(["XDG_RUNTIME_DIR": "/x"], ["/run/stadion.sock"]) == .unix(path: "/run/stadion.sock"))
    #expect(standard(["XDG_RUNTIME_DIR": "/x", "STADION_SOCKET": "/s"]) == .unix(path: "/s"))
  }
}
