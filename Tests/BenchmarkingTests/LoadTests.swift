import CLinux
import Foundation
import Inference
import StadionClient
import Testing

@testable import Benchmarking

/// A server that answers with what it is told, a thread a connection.
private final class SlowServer: @unchecked Sendable {
  // @unchecked: only the pauses change, and a lock guards them.
  let path: String
  private let listener: Int32
  private let lock = NSLock()
  private var pauseAt = -1
  private var requests = 0
  private let answer: String

  /// - Parameter pauseAt: The request that takes 100 ms; all others are answered at once.
  init(pauseAt: Int = -1, answer: String = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") throws {
    self.pauseAt = pauseAt
    self.answer = answer
    var template = Array("/tmp/stadion-load-XXXXXX".utf8CString)
    path = String(cString: mkdtemp(&template)) + "/s"
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0 && listen(listener, 64) == 0)
    Thread.detachNewThread { [self] in
      while true {
        let peer = accept(listener, nil, nil)
        if peer < 0 { return }
        Thread.detachNewThread { self.serve(peer) }
      }
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private func serve(_ peer: Int32) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    // Requests of these tests arrive in one piece.
    while recv(peer, &buffer, buffer.count, 0) > 0 {
      let pauses = lock.withLock {
        requests += 1
        return requests == pauseAt
      }
      if pauses { usleep(100_000) }
      _ = answer.withCString { send(peer, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
    }
    close(peer)
  }

  func generator() -> LoadGenerator {
    LoadGenerator(PreparedRequest(ModelID("m"), inputs: [], to: .unix(path: path)), timeout: .seconds(10))
  }
}

@Suite struct `Load on a server` {
  @Test(arguments: [1, 8]) func `in a closed loop gets an answer for each request`(count: Int) throws {
    let server = try SlowServer()
    defer { server.stop() }
    let window = try server.generator().closed(
      count, settle: .milliseconds(5), duration: .milliseconds(100), atLeast: 50)
    #expect(window.answered >= 50 && window.errors == 0 && window.changed == 0)
    #expect(window.latencies.count == window.answered && window.exchanges >= window.answered)
    #expect(window.requestsPerSecond > 100)
  }

  @Test func `in an open loop feels a pause as long as all who wait for it`() throws {
    let server = try SlowServer(pauseAt: 100)
    defer { server.stop() }
    let window = try server.generator().open(
      1, rate: 1000, arrivals: .constant, duration: .milliseconds(400), seed: 1)
    #expect(window.answered + window.unsent == 400)
    // 100 requests fell due during the pause of 100 ms; half of them waited for 50 ms and more.
    #expect(window.latencies.quantile(1 - 50.0 / 400) > 40_000_000)
    // A closed loop sees one slow answer.
    let other = try SlowServer(pauseAt: 100)
    defer { other.stop() }
    let closed = try other.generator().closed(1, settle: .zero, duration: .milliseconds(10), atLeast: 400)
    #expect(closed.latencies.quantile(1 - 5.0 / 400) < 40_000_000)
  }

  @Test func `counts refusals and gives up where nothing else comes`() throws {
    let server = try SlowServer(answer: "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
    defer { server.stop() }
    let failure = #expect(throws: HostError.self) {
      try server.generator().closed(1, settle: .zero, duration: .seconds(10), atLeast: 1)
    }
    #expect(failure?.message.contains("status 503: busy") == true)
  }

  @Test func `finds the rate that a server keeps up with`() throws {
    let server = try SlowServer()
    defer { server.stop() }
    let search = RateSearch(
      share: 0.5, limitNs: 50_000_000, arrivals: .constant, connections: 4, step: .milliseconds(50))
    let result = try search.run(server.generator(), capacity: 2000, seed: 1) { _ in }
    #expect(result.rate >= 200)
    #expect(result.steps.contains { !$0.isKept } && result.steps.contains { $0.isKept })
  }
}
