import HTTPTestClient
import Synchronization
import Testing
import Wire

@testable import Serving

/// A body of many blocks, made on another thread than the loop's, which counts those that it has made.
final class CountedStream: BodyStream {
  static let blockCount = 200
  private let made = Atomic<Int>(0)
  private let ended = Atomic<Int>(0)

  var madeCount: Int { made.load(ordering: .relaxed) }
  /// How often `make` has returned.
  var endedCount: Int { ended.load(ordering: .relaxed) }

  func make(_ body: BodyWriter) async {
    defer { ended.wrappingAdd(1, ordering: .relaxed) }
    let thread = EventLoop(busyPollMicros: 0)
    thread.start(name: "maker")
    defer { thread.stop() }
    await withTaskExecutorPreference(thread) { await makeBlocks(body) }
  }

  private func makeBlocks(_ body: BodyWriter) async {
    for number in 0..<Self.blockCount {
      for _ in 0..<BodyWriter.blockByteCount { body.bytes.append(UInt8(number)) }
      made.wrappingAdd(1, ordering: .relaxed)
      guard await body.send(isLast: number == Self.blockCount - 1) else { return }
    }
  }
}

@Suite(.serialized, .timeLimit(.minutes(2))) struct `A body that is made while it is sent` {
  @Test(arguments: [false, true]) func `arrives whole and in order`(isReadLate: Bool) throws {
    let server = try TestServer()
    let client = try server.client()
    try client.send(get("/stream", "Connection: close"))
    if isReadLate { #expect(try waits(server)) }
    var rest = try client.rest()[...]
    let head = try #require(rest.firstRange(of: Array("\r\n\r\n".utf8)))
    rest = rest[head.upperBound...]
    let size = Array("00010000\r\n".utf8)
    for number in 0..<CountedStream.blockCount {
      #expect(rest.prefix(size.count).elementsEqual(size))
      let block = rest.dropFirst(size.count).prefix(BodyWriter.blockByteCount)
      #expect(block.count == BodyWriter.blockByteCount && block.allSatisfy { $0 == UInt8(number) })
      rest = rest.dropFirst(size.count + BodyWriter.blockByteCount + 2)
    }
    #expect(rest.elementsEqual(Array("0\r\n\r\n".utf8)))
  }

  /// Whether the socket is full in the end: nothing is made while others are answered.
  private func waits(_ server: TestServer) throws -> Bool {
    let other = try server.client()
    return eventually {
      let count = server.handler.stream.madeCount
      let areAnswered = (0..<50).allSatisfy { _ in (try? other.answer(to: get("/facts")))?.status == 200 }
      return areAnswered && count > 0 && server.handler.stream.madeCount == count
    }
  }

  @Test func `is not made ahead of a reader that stops, and ends when it leaves`() throws {
    let server = try TestServer()
    let client = try server.client()
    try client.send(get("/stream"))
    #expect(try waits(server))
    #expect(server.handler.stream.madeCount < CountedStream.blockCount / 2)
    #expect(server.handler.stream.endedCount == 0)
    client.leave()
    #expect(eventually { server.handler.stream.endedCount == 1 && server.server.connectionCount == 0 })
  }
}
