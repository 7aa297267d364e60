import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Uploads whose senders go away in the middle of a body.
@Suite(.blocking) struct `An upload that breaks off` {
  enum End: CaseIterable {
    case close, closeUnread, halfClose, reset
  }

  private let folder = TemporaryFolder()

  private func host(_ arguments: String...) throws -> Host {
    try Host(
      ["--data", "\(folder.path)/data", "--listen", "127.0.0.1:0"] + arguments, folder: folder)
  }

  private func port(_ host: Host) throws -> UInt16 {
    let addresses = try host.log("listening").compactMap { $0["address"]?.string }
    let text = try #require(addresses.first { !$0.hasPrefix("unix:") }).split(separator: ":").last ?? ""
    return try #require(UInt16(text))
  }

  private func begin(_ host: Host, _ body: String = "{}") throws -> String {
    try #require(host.json("POST", "/v1/uploads", body)["id"]?.string)
  }

  private func offset(_ host: Host, _ id: String) throws -> Int? {
    try host.send("HEAD", "/v1/uploads/\(id)").header("upload-offset").flatMap { Int($0) }
  }

  /// Announces `length` bytes from `offset` on, sends `bytes` of them, and is gone.
  private func breakOff(
    _ host: Host, _ id: String, at offset: Int, length: Int, _ bytes: ArraySlice<UInt8>, _ end: End, key: String
  ) throws {
    let connection = try end == .reset ? RawConnection(port: port(host)) : RawConnection(host.socket)
    let expects = end == .closeUnread ? "Expect: 100-continue\r\n" : ""
    connection.send(
      Array(
        ("PUT /v1/uploads/\(id)?offset=\(offset) HTTP/1.1\r\nHost: localhost\r\nX-API-Key: \(key)\r\n"
          + "Content-Length: \(length)\r\n\(expects)\r\n").utf8))
    if end == .closeUnread { #expect(connection.awaitAnswer()) }
    #expect(connection.send(Array(bytes)))
    switch end {
    case .close, .closeUnread: break
    case .halfClose:
      connection.endSending()
      #expect(connection.readToEnd() == "")
    case .reset:
      // Else what is under way may go with the connection, which is no fault of the host's.
      #expect(try holds { try self.offset(host, id) == offset + bytes.count / (1 << 20) * (1 << 20) })
      connection.resetOnClose()
    }
  }

  @Test(arguments: End.allCases) func `goes on at what the host has, and nothing of it is lost`(end: End) throws {
    let host = try host()
    let key = try host.makeKey(#"{"role": "publish"}"#).key
    var random = SystemRandomNumberGenerator()
    let body = (0..<6_000_000).map { _ in UInt8.random(in: 0...255, using: &random) }
    let id = try begin(host, "{\"bytes\": \(body.count), \"sha256\": \"\(Setup.sha256(body))\"}")
    var have = 0
    for part in [1, 1_048_576, 100_000, 2_500_000, 1] {
      try breakOff(host, id, at: have, length: body.count - have, body[have..<(have + part)], end, key: key)
      if end != .reset { #expect(try holds { try offset(host, id) == have + part }) }
      // Whoever comes too early is told so, and loses nothing.
      let isTaken = try holds {
        let now = try #require(try offset(host, id))
        return try host.client.connection.send("PUT", "/v1/uploads/\(id)?offset=\(now)", body: []).status == 200
      }
      let now = try #require(try offset(host, id))
      #expect(isTaken && now >= have && now <= have + part)
      have = now
    }
    let rest = try host.client.connection.send("PUT", "/v1/uploads/\(id)?offset=\(have)", body: Array(body[have...]))
    #expect(rest.status == 200, "\(rest)")
    #expect(try offset(host, id) == body.count)
  }

  @Test func `leaves nothing open or counted, however often`() throws {
    let host = try host("--max-total-body-bytes", "8388608", "--quota-stored-bytes", "10000000")
    let key = try host.makeKey(#"{"role": "publish"}"#).key
    func count(_ what: String) throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/\(host.command.pid)/\(what)").count
    }
    func stored() throws -> Int { try host.json("GET", "/v1/quota")["now"]?["storedBytes"]?.int ?? -1 }
    let same = try begin(host)
    try breakOff(host, same, at: 0, length: 100, [1], .close, key: key)
    #expect(try holds { try offset(host, same) == 1 })
    let before = (descriptors: try count("fd"), threads: try count("task"))
    var ids = [same]
    for turn in 1...200 {
      // Half of them to the same upload; each announces most of what the tenant may keep.
      let id = try turn % 2 == 0 ? same : begin(host)
      let have = turn % 2 == 0 ? turn / 2 : 0
      if have == 0 { ids.append(id) }
      let isTaken = try holds {
        try breakOff(
          host, id, at: have, length: 4_000_000, [UInt8(turn)], turn % 4 < 2 ? .closeUnread : .close, key: key)
        return try holds(limit: .milliseconds(500)) { try offset(host, id) == have + 1 }
      }
      try #require(isTaken, "turn \(turn)")
    }
    let now = (stored: try stored(), descriptors: try count("fd"), threads: try count("task"))
    #expect(try now.stored == 201 || holds { try stored() == 201 }, "\(now)")
    #expect(now.descriptors <= before.descriptors + 70 && now.threads <= before.threads + 16, "\(now) after \(before)")
    let files = "\(folder.path)/data/uploads"
    #expect(try Set(FileManager.default.contentsOfDirectory(atPath: files)) == Set(ids))
    // One whose file was closed long ago.
    #expect(try host.client.connection.send("PUT", "/v1/uploads/\(ids[1])?offset=1", body: [7]).status == 200)
    #expect(try offset(host, ids[1]) == 2)
    for id in ids { #expect(try host.send("DELETE", "/v1/uploads/\(id)").status == 200) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: files) == [])
    #expect(try stored() == 0)
    // Memory for bodies is there as before.
    let last = try begin(host)
    let body = [UInt8](repeating: 1, count: 8_000_000)
    #expect(try host.client.connection.send("PUT", "/v1/uploads/\(last)?offset=0", body: body).status == 200)
  }

  @Test func `is given up when its sender is silent, and taken while it is only slow for a while`() throws {
    let host = try host("--progress-timeout-ms", "300")
    let id = try begin(host, #"{"bytes": 40}"#)
    let silent = try RawConnection(host.socket)
    let head = "PUT /v1/uploads/\(id)?offset=0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40\r\n\r\n"
    silent.send(Array(head.utf8) + [1, 2, 3])
    let answer = silent.readToEnd() ?? ""
    #expect(answer.hasPrefix("HTTP/1.1 408") && answer.contains("made no progress within 300 ms"), "\(answer)")
    #expect(try offset(host, id) == 3)
    // Byte by byte, for longer than the time of one pause.
    let slow = try RawConnection(host.socket)
    slow.send(Array(head.replacing("offset=0", with: "offset=3").replacing("Length: 40", with: "Length: 37").utf8))
    let began = ContinuousClock.now
    for number in 0..<37 {
      slow.send([UInt8(number)])
      usleep(20_000)
    }
    #expect(ContinuousClock.now - began > .milliseconds(300))
    slow.endSending()
    #expect(slow.readToEnd()?.hasPrefix("HTTP/1.1 200") == true)
    #expect(try offset(host, id) == 40)
  }

  @Test func `aren't begun without end`() throws {
    let host = try host("--max-uploads", "2")
    let first = try begin(host)
    _ = try begin(host)
    let refused = try host.send("POST", "/v1/uploads", "{}")
    #expect(refused.status == 429 && refused.text.contains("registry.maxUploads"), "\(refused.text)")
    #expect(refused.rateLimit == #""registry.maxUploads";q=2 2 0 60 after 60"#)
    // Another tenant has its own.
    _ = try host.json("POST", "/v1/tenants", #"{"id": "acme"}"#)
    #expect(try host.send("POST", "/v1/uploads?tenant=acme", "{}").status == 200)
    #expect(try host.send("DELETE", "/v1/uploads/\(first)").status == 200)
    _ = try begin(host)
  }
}
