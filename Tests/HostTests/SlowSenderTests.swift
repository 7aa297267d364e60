import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Whoever sends slowly, or nothing, takes room from nobody but themselves.
@Suite(.blocking) struct `Slow senders` {
  private let folder = TemporaryFolder()

  private func host(_ arguments: String...) throws -> Host {
    let host = try Host(["--data", "\(folder.path)/data", "--listen", "127.0.0.1:0"] + arguments, folder: folder)
    for id in ["acme", "other"] { _ = try host.json("POST", "/v1/tenants", "{\"id\": \"\(id)\"}") }
    return host
  }

  private func key(_ host: Host, _ tenant: String) throws -> (id: String, key: String) {
    try host.makeKey("{\"tenant\": \"\(tenant)\", \"role\": \"publish\"}")
  }

  /// Begins an upload and sends a part of it.
  private func begin(_ host: Host, _ key: String, announced: Int, sent: Int) throws -> RawConnection {
    let made = try host.send("POST", "/v1/uploads", "{}", headers: [("X-API-Key", key)])
    let id = try #require(try JSONValue(parsing: made.body)["id"]?.string, "\(made.text)")
    let connection = try RawConnection(host.socket)
    connection.send(
      Array(
        ("PUT /v1/uploads/\(id)?offset=0 HTTP/1.1\r\nHost: h\r\nX-API-Key: \(key)\r\n"
          + "Content-Length: \(announced)\r\n\r\n").utf8) + [UInt8](repeating: 7, count: sent))
    return connection
  }

  /// By a connection of its own.
  private func ask(_ host: Host, _ key: String) throws -> HTTPResponse {
    try StadionClient(.unix(path: host.socket), timeout: .seconds(20), key: key).connection.send("GET", "/v2")
  }

  private func upload(_ host: Host, _ key: String, byteCount: Int) throws -> HTTPResponse {
    let client = StadionClient(.unix(path: host.socket), timeout: .seconds(20), key: key)
    let made = try client.connection.send("POST", "/v1/uploads", body: Array("{}".utf8))
    let id = try #require(try JSONValue(parsing: made.body)["id"]?.string, "\(made.text)")
    return try client.connection.send(
      "PUT", "/v1/uploads/\(id)?offset=0", body: [UInt8](repeating: 1, count: byteCount))
  }

  @Test func `of one tenant take that tenant's connections, and no others`() throws {
    let host = try host("--max-connections", "40", "--max-tenant-connections", "20")
    let (acme, other) = (try key(host, "acme").key, try key(host, "other").key)
    var slow = try (0..<20).map { _ in try begin(host, acme, announced: 1000, sent: 1) }
    var refused: HTTPResponse?
    #expect(
      try holds {
        refused = try ask(host, acme); return refused?.status == 429
      })
    let error = try JSONValue(parsing: try #require(refused).body)
    #expect(error["code"] == "quotaExceeded")
    #expect(refused?.rateLimit == #""serving.maxTenantConnections";q=20 20 0 1 after 1"#)
    #expect(error["details"] == ["limit": "serving.maxTenantConnections", "value": 20])
    #expect(try ask(host, other).status == 200)
    slow.removeFirst()
    #expect(try holds { try ask(host, acme).status == 200 })
    withExtendedLifetime(slow) {}
  }

  @Test func `of one tenant take that tenant's memory for bodies, and no others'`() throws {
    let host = try host("--max-total-body-bytes", "8000000", "--max-tenant-body-bytes", "4000000")
    let (acme, other) = (try key(host, "acme").key, try key(host, "other").key)
    var slow = try (0..<4).map { _ in try begin(host, acme, announced: 2_000_000, sent: 900_000) }
    var refused: HTTPResponse?
    #expect(
      try holds {
        refused = try upload(host, acme, byteCount: 900_000); return refused?.status == 429
      })
    let error = try JSONValue(parsing: try #require(refused).body)
    #expect(error["details"] == ["limit": "serving.maxTenantBodyBytes", "value": 4_000_000])
    #expect(try upload(host, other, byteCount: 2_000_000).status == 200)
    slow.removeAll()
    #expect(try holds { try upload(host, acme, byteCount: 3_000_000).status == 200 })
  }

  @Test func `that only announce their bodies take no memory`() throws {
    let host = try host("--max-total-body-bytes", "8000000")
    let (acme, other) = (try key(host, "acme").key, try key(host, "other").key)
    let slow = try (0..<50).map { _ in try begin(host, acme, announced: 1_000_000, sent: 1) }
    #expect(try upload(host, other, byteCount: 3_000_000).status == 200)
    withExtendedLifetime(slow) {}
  }

  @Test func `without a key make room for who comes later`() throws {
    // Far more than are accepted at once.
    let host = try host("--max-connections", "400", "--max-new-connections", "20", "--loops", "1")
    let other = try key(host, "other").key
    let address = try #require(
      host.log("listening").compactMap { $0["address"]?.string }.first { !$0.hasPrefix("unix:") })
    let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
    let slow = try (0..<500).map { number in
      let connection = try number % 2 == 0 ? RawConnection(port: port) : RawConnection(host.socket)
      if number % 3 > 0 { connection.send(Array("GET /v2 HTTP/1.1\r\nHo".utf8)) }
      return connection
    }
    for _ in 0..<30 { #expect(try ask(host, other).status == 200) }
    withExtendedLifetime(slow) {}
  }

  @Test func `without a key make room where descriptors run out`() throws {
    let host = try host("--loops", "1")
    let other = try key(host, "other").key
    // Fewer than connections are allowed.
    let limit = try Command.run(["prlimit", "--pid", "\(host.command.pid)", "--nofile=150:150"])
    #expect(limit.status == 0, "\(limit.errors)")
    let slow = try (0..<300).map { number in
      let connection = try RawConnection(host.socket)
      if number % 2 > 0 { connection.send(Array("GET /v2 HTTP/1.1\r\nHo".utf8)) }
      return connection
    }
    for _ in 0..<30 { #expect(try ask(host, other).status == 200) }
    withExtendedLifetime(slow) {}
  }

  @Test func `are given up, and what has come is kept`() throws {
    let host = try host("--min-body-bytes-per-second", "100000", "--body-grace-ms", "300")
    let acme = try key(host, "acme").key
    let answer = try #require(try begin(host, acme, announced: 1_000_000, sent: 10_000).readToEnd())
    #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains(#""code":"requestTimeout""#), "\(answer)")
    #expect(answer.contains(#""limit":"serving.minBodyBytesPerSecond""#))
    let known = try host.json("GET", "/v1/uploads?tenant=acme")["uploads"]?.array ?? []
    #expect(known.map { $0["offset"] } == [10_000])
  }

  @Test func `whose key is revoked in the middle of a body are refused within a second`() throws {
    let host = try host()
    let acme = try key(host, "acme")
    let connection = try begin(host, acme.key, announced: 1000, sent: 10)
    #expect(try holds { try host.json("GET", "/v1/uploads?tenant=acme")["uploads"]?.array?.count == 1 })
    let began = ContinuousClock.now
    #expect(try host.send("DELETE", "/v1/keys/\(acme.id)").status == 200)
    let answer = try #require(connection.readToEnd())
    #expect(answer.hasPrefix("HTTP/1.1 401 ") && ContinuousClock.now - began < .seconds(1), "\(answer)")
  }
}
