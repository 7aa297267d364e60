import Foundation
import HTTPTestClient
import Inference
import Synchronization
import Testing
import Wire

@testable import Serving

/// Keeps what it is given, and counts.
final class KeepingSink: BodySink {
  struct Kept: Sendable {
    var bytes: [UInt8] = []
    var largest = 0
    var ends = 0
  }
  let kept = Mutex(Kept())
  /// Bytes after which it refuses more.
  let limit: Int

  init(limit: Int) { self.limit = limit }

  func take(_ piece: LentBytes) async throws(HostError) {
    let isFull = kept.withLock { kept in
      kept.bytes += piece.bytes
      kept.largest = max(kept.largest, piece.bytes.count)
      return kept.bytes.count > limit
    }
    if isFull { throw HostError(.payloadTooLarge, "no more than \(limit) bytes fit") }
  }

  func end() async { kept.withLock { $0.ends += 1 } }
}

@Suite(.serialized, .timeLimit(.minutes(2))) struct `Bodies in pieces` {
  private func put(_ path: String, length: Int, _ lines: String...) -> String {
    "PUT \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(length)\r\n"
      + lines.map { $0 + "\r\n" }.joined() + "\r\n"
  }

  private static let body = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

  @Test func `a sink gets all bytes in order, a megabyte at most at once`() throws {
    let server = try TestServer { $0.bodyBytes = 1000 }
    let client = try server.client()
    // Twice: what follows on the connection is read as a request again.
    for turn in 1...2 {
      try client.send(put("/sink", length: Self.body.count))
      try client.send(Self.body)
      #expect(try client.answer().status == 200)
      let kept = try #require(server.handler.lastSink).kept.withLock(\.self)
      #expect(kept.bytes == Self.body, "turn \(turn)")
      #expect(kept.largest <= 1 << 20)
      #expect(kept.ends == 1)
    }
  }

  @Test func `what came before the peer left is kept, and the sink is told of the end`() throws {
    let server = try TestServer()
    let client = try server.client()
    try client.send(put("/sink", length: Self.body.count))
    try client.send(Array(Self.body.prefix(3_000_000)))
    client.leave()
    #expect(eventually { server.handler.lastSink?.kept.withLock { $0.ends } == 1 })
    let bytes = try #require(server.handler.lastSink).kept.withLock { $0.bytes }
    #expect(bytes == Array(Self.body.prefix(3_000_000)))
  }

  @Test func `a sink's refusal ends the body`() throws {
    let server = try TestServer()
    let client = try server.client()
    try client.send(put("/sink?limit=1500000", length: Self.body.count))
    try client.send(Self.body)
    let answer = try client.answer()
    #expect(answer.status == 413)
    #expect(answer.text.contains("no more than 1500000 bytes fit"))
    #expect(try #require(server.handler.lastSink).kept.withLock { $0.ends } == 1)
  }

  @Test func `lengths and codings that can't be streamed are refused, and empty bodies taken`() throws {
    let server = try TestServer()
    #expect(try server.client().answer(to: put("/sink", length: 10, "Content-Encoding: gzip")).status == 415)
    let chunked = "PUT /sink HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    #expect(try server.client().answer(to: chunked).status == 411)
    #expect(try server.client().answer(to: put("/sink", length: 0)).status == 200)
    #expect(try server.client().answer(to: put("/refused", length: 10)).status == 403)
  }
}
