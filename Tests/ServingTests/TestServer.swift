import CLinux
import Foundation
import HTTPTestClient
import Inference
import Synchronization
import Wire

@testable import Serving

/// Answers as the path says.
final class TestHandler: HTTPHandler {
  private struct Waiting {
    var continuations: [CheckedContinuation<Void, Never>] = []
    var isOpen = false
    var arrived = 0
    var left = 0
  }
  private let waiting = Mutex(Waiting())
  private let sent = Atomic<Int>(0)
  /// Calls of `didSend`.
  var sentCount: Int { sent.load(ordering: .relaxed) }
  /// What `/big` sends.
  static let bigBytes = 10 << 20
  // Never written after `init`.
  nonisolated(unsafe) private static let big = UnsafeMutableRawPointer.allocate(byteCount: bigBytes, alignment: 64)

  /// What `/stream` sends.
  let stream = CountedStream()

  init() { Self.big.initializeMemory(as: UInt8.self, repeating: 7, count: Self.bigBytes) }

  /// Requests to `/wait` that are being handled, or were.
  var arrived: Int { waiting.withLock { $0.arrived } }
  /// Calls of `onDisconnect`.
  var left: Int { waiting.withLock { $0.left } }

  /// Lets all that wait go on, and all that come.
  func open() {
    let all = waiting.withLock { state in
      state.isOpen = true
      defer { state.continuations = [] }
      return state.continuations
    }
    for one in all { one.resume() }
  }

  /// Waits until `open`.
  func hold(_ began: () -> Void = {}) async {
    await withCheckedContinuation { continuation in
      let isOpen = waiting.withLock { state in
        state.arrived += 1
        if !state.isOpen { state.continuations.append(continuation) }
        return state.isOpen
      }
      began()
      if isOpen { continuation.resume() }
    }
  }

  func respond(to exchange: Exchange) async {
    let path = String(decoding: exchange.head.pathBytes, as: UTF8.self)
    switch path {
    case "/echo":
      exchange.isCompressible = true
      exchange.out.append(exchange.body)
    case "/facts":
      exchange.out.append(
        "\(exchange.head.method) \(path) \(String(decoding: exchange.head.queryBytes, as: UTF8.self))")
      exchange.out.append(" \(exchange.body.count)")
    case "/align":
      let offset = alignedOffset(for: exchange.head)
      let address = Int(bitPattern: exchange.body.baseAddress) + offset
      exchange.out.append("\(address & 63) \(exchange.body.reduce(0) { $0 &+ Int($1) })")
    case "/big": exchange.appendUncopied(Self.big, Self.bigBytes)
    case "/stream": exchange.stream = stream
    case "/wait":
      await hold {
        exchange.onDisconnect = {
          self.waiting.withLock { $0.left += 1 }
          self.open()
        }
      }
      exchange.out.append("waited")
    case "/sink", "/held": exchange.out.append("taken")
    case "/lines":
      for index in 0..<60 { exchange.addHeader("X-Long-Header-Name-To-Fill-The-Room", index) }
    default: exchange.refuse(HostError(.notFound, "Not Found"))
    }
  }

  /// What `/sink` was given last.
  var lastSink: KeepingSink? { sinks.withLock { $0 } }
  private let sinks = Mutex<KeepingSink?>(nil)

  func sink(for exchange: Exchange) async throws(HostError) -> (any BodySink)? {
    switch String(decoding: exchange.head.pathBytes, as: UTF8.self) {
    case "/sink":
      let query = String(decoding: exchange.head.queryBytes, as: UTF8.self)
      let sink = KeepingSink(limit: query.split(separator: "=").last.flatMap { Int($0) } ?? .max)
      sinks.withLock { $0 = sink }
      return sink
    case "/held": return HoldingSink(self)
    case "/refused": throw HostError(.forbidden, "not for you")
    default: return nil
    }
  }

  func didSend(_ exchange: Exchange) { sent.wrappingAdd(1, ordering: .relaxed) }

  func memory(for exchange: Exchange, byteCount: Int) -> (any BodyMemory)? { nil }

  func admit(_ exchange: Exchange) throws(HostError) {
    if case .tcp = exchange.peer?.kind { try exchange.refuseForeign() }
  }

  func alignedOffset(for head: HTTPHead) -> Int {
    head.value(of: "x-align").flatMap { HTTPBytes.decimal($0) } ?? 0
  }
}

/// Takes nothing until its handler is opened.
private final class HoldingSink: BodySink {
  private let handler: TestHandler

  init(_ handler: TestHandler) { self.handler = handler }

  func take(_ piece: LentBytes) async throws(HostError) { await handler.hold() }

  func end() async {}
}

/// A server of its own in this process, on a Unix socket and on loopback.
final class TestServer {
  let handler = TestHandler()
  let server: HTTPServer
  let path: String
  let unix: ListenAddress
  let tcp: ListenAddress
  private let loops: [EventLoop]

  init(loops count: Int = 1, _ change: (inout ServingLimits) -> Void = { _ in }) throws {
    signal(SIGPIPE, SIG_IGN)
    var limits = ServingLimits()
    change(&limits)
    loops = (0..<count).map { _ in EventLoop(busyPollMicros: 0) }
    for loop in loops { loop.start(name: "serving-loop") }
    server = HTTPServer(handler: handler, limits: limits, loops: loops)
    path = TestServer.newPath()
    unix = try server.listen(on: .unix(path: path))
    tcp = try server.listen(on: .tcp(host: "127.0.0.1", port: 0))
  }

  deinit {
    handler.open()
    for loop in loops { loop.stop() }
    unlink(path)
  }

  static func newPath() -> String { "\(NSTemporaryDirectory())/stadion-\(UUID().uuidString.prefix(12)).sock" }

  func client(tcp isTCP: Bool = false) throws -> TestClient { try TestClient(isTCP ? tcp : unix) }

  /// Waits until `descriptor` is readable.
  func isDrained(within milliseconds: CInt = TestClient.patience) -> Bool {
    var polled = pollfd(fd: server.drainedDescriptor, events: Int16(POLLIN), revents: 0)
    return poll(&polled, 1, milliseconds) > 0
  }
}

/// Waits until `condition` holds; false after the client's patience. A kernel wait of a millisecond at a time.
func eventually(_ condition: () -> Bool) -> Bool {
  for _ in 0..<Int(TestClient.patience) {
    if condition() { return true }
    _ = poll(nil, 0, 1)
  }
  return condition()
}
