import CLinux
import Foundation
import Inference
import StadionClient
import Testing

@testable import Benchmarking

/// A server that answers with what it is told, a thread a connection.
private final class SlowServer: @unchecked Sendable {
  // @unchecked: a lock guards what changes.
  let path: String
  private let listener: Int32
  private let lock = NSLock()
  private var pauseAt = -1
  private var requests = 0
  private var models = ""
  private var answer: String

  /// - Parameters:
  ///   - pauseAt: The request that takes 100 ms; all others are answered at once.
  ///   - answer: A `?` in it becomes the model's first letter.
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

  func setAnswer(_ text: String) { lock.withLock { answer = text } }

  /// The first letter of each request's model.
  var asked: String { lock.withLock { models } }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private func serve(_ peer: Int32) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    // Requests of these tests arrive in one piece.
    while recv(peer, &buffer, buffer.count, 0) > 0 {
      let model = Character(Unicode.Scalar(buffer["POST /v2/models/".utf8.count]))
      let (pauses, answer) = lock.withLock { () -> (Bool, String) in
        requests += 1
        models.append(model)
        return (requests == pauseAt, self.answer)
      }
      if pauses { usleep(100_000) }
      _ = answer.replacingOccurrences(of: "?", with: String(model)).withCString {
        send(peer, $0, strlen($0), Int32(MSG_NOSIGNAL))
      }
    }
    close(peer)
  }

  func generator(_ models: [String] = ["m"]) -> LoadGenerator {
    let requests = models.map { PreparedRequest(ModelID($0), inputs: [], to: .unix(path: path)) }
    return LoadGenerator(requests, timeout: .seconds(10))
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

  @Test(arguments: [1, 4]) func `sends its requests in turn, and knows each one's answer`(count: Int) throws {
    let server = try SlowServer(answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n?12345678")
    defer { server.stop() }
    let generator = server.generator(["a", "b", "c", "d"])
    let window = try generator.closed(count, settle: .zero, duration: .zero, atLeast: 40)
    #expect(window.changed == 0 && window.errors == 0 && window.answered >= 40)
    if count == 1 { #expect(server.asked.hasPrefix("abcdabcdab")) }
    let before = server.asked.count
    generator.use(1..<3, from: 3)
    _ = try generator.closed(1, settle: .zero, duration: .zero, atLeast: 4)
    #expect(server.asked.dropFirst(before).hasPrefix("cbcb"))
  }

  @Test func `notices an answer that differs from the first to the same request`() throws {
    let server = try SlowServer(answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n?12345678")
    defer { server.stop() }
    let generator = server.generator(["a"])
    _ = try generator.closed(1, settle: .zero, duration: .zero, atLeast: 1)
    server.setAnswer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n?12345670")
    let window = try generator.closed(1, settle: .zero, duration: .zero, atLeast: 5)
    #expect(window.changed == window.answered && window.errors == 0)
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
