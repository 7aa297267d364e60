import CLinux
import Glibc
import Inference
import Telemetry
import Threads
import Wire

/// One client: its socket, and the task that reads requests and writes answers while there are any.
///
/// An idle connection holds no buffers; a request borrows an `Exchange` from its loop.
final class Connection: EventTarget, @unchecked Sendable {
  // @unchecked: only touched from its loop's thread, where its task runs, too.

  enum End: Error {
    /// The peer has closed, or the socket failed.
    case closed
    /// The deadline of the present phase has passed.
    case expired
  }

  let descriptor: CInt
  let isUnix: Bool
  let peer: Peer
  let loop: EventLoop
  let server: HTTPServer

  private var isReadable = false
  var isWritable = true
  var hasExpired = false
  /// Why it is no longer waited for, where it isn't that time is up.
  private var waitRefusal: HostError?
  /// The peer sends no more; reading goes on until what it sent is used up.
  private var peerIsDone = false
  /// The peer takes no answer any more.
  private var hasLeft = false
  /// False between requests, when closing loses nothing.
  private var isServing = false
  /// True while a task waits for a request of which nothing has come.
  private var awaitsFirstByte = false
  private var deadline: UInt64 = 0
  private var waiter: UnsafeContinuation<Void, Never>?
  private var exchange: Exchange?
  /// Of the body that is being read.
  var pace: BodyPace?
  /// Until the task goes on: an event may have come for it already.
  private var awaitsPeer = false

  /// On the list of those that have brought no request of a known caller.
  var isNewcomer = false
  unowned(unsafe) var olderNewcomer: Connection?
  unowned(unsafe) var newerNewcomer: Connection?
  /// Others need its place.
  private var givesWay = false

  private static let requestsInARow = 32
  private static let endlessMs = 365 * 86_400_000
  static let quietEvents = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue

  init(descriptor: CInt, isUnix: Bool, loop: EventLoop, server: HTTPServer) {
    self.descriptor = descriptor
    self.isUnix = isUnix
    peer = Peer(descriptor: descriptor, isUnix: isUnix, server: server)
    self.loop = loop
    self.server = server
  }

  // MARK: Events

  override func ready(_ events: UInt32) {
    if events & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 {
      isReadable = true
    }
    if events & (EPOLLOUT.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { isWritable = true }
    if events & EPOLLRDHUP.rawValue != 0 { peerIsDone = true }
    // A half-closed Unix socket still reads; on TCP a client that only half-closes can't be told from one that left.
    let left = EPOLLHUP.rawValue | EPOLLERR.rawValue | (isUnix ? 0 : EPOLLRDHUP.rawValue)
    if events & left != 0 {
      hasLeft = true
      exchange?.peerLeft()
    }
    if isServing { resume() } else if isReadable { serve() }
  }

  override func sweep(now: UInt64) {
    guard deadline != 0 else { return }
    guard now >= deadline else {
      if pace != nil { checkBody(now) }
      return
    }
    guard isServing else { return end() }
    arm(milliseconds: 0)
    hasExpired = true
    resume()
  }

  /// While a body is on its way its sender may lose the right to send it, or be too slow about it.
  private func checkBody(_ now: UInt64) {
    // What the host takes to use what it has is no fault of the sender's.
    guard awaitsPeer, let exchange else { return }
    pace?.note(waitedNs: loop.sweptNs, now: now)
    do throws(HostError) {
      try pace?.check(server.limits)
      try server.handler.admit(exchange)
    } catch {
      waitRefusal = error
      arm(milliseconds: 0)
      hasExpired = true
      resume()
    }
  }

  /// Ends the connection, as others need its place; false where it is about to be served.
  func giveWay() -> Bool {
    // What has come may be all that was missing: in a rush, events are late.
    var byte: UInt8 = 0
    if recv(descriptor, &byte, 1, CInt(MSG_PEEK)) > 0 { return false }
    guard isServing else {
      end()
      return true
    }
    guard waiter != nil else { return false }
    givesWay = true
    // It ends when its task goes on, and counts no more until then.
    loop.newcomers.remove(self)
    hasExpired = true
    resume()
    return true
  }

  private func resume() {
    guard let waiting = waiter else { return }
    waiter = nil
    waiting.resume()
  }

  func waitForEvent() async {
    await withUnsafeContinuation { waiter = $0 }
  }

  /// Sets the time after which waiting ends with `.expired`; 0 = none.
  func arm(milliseconds: Int) {
    if milliseconds == 0 && deadline == 0 { return }
    loop.armedCount += (milliseconds != 0 ? 1 : 0) - (deadline != 0 ? 1 : 0)
    deadline = milliseconds == 0 ? 0 : loop.now + UInt64(milliseconds) * 1_000_000
  }

  /// Ends the connection now if it is between requests, else behind the present answer.
  func drain() {
    guard isServing else { return end() }
    guard awaitsFirstByte else { return }
    hasExpired = true
    resume()
  }

  // MARK: Life

  /// Begins to watch the socket. From here on the loop keeps the connection.
  func start() {
    guard loop.watch(descriptor, Self.quietEvents, self) else { return end() }
    loop.newcomers.add(self, limit: server.newConnectionsPerLoop)
    idle()
  }

  /// Nothing to read and nothing to answer: no task, no buffers, only the idle deadline.
  private func idle() {
    isServing = false
    if let exchange { release(exchange) }
    if server.isDraining { return end() }
    arm(milliseconds: isUnix ? server.limits.unixIdleTimeoutMs : server.limits.idleTimeoutMs)
  }

  private func end() {
    if let exchange { release(exchange) }
    arm(milliseconds: 0)
    loop.newcomers.remove(self)
    loop.forget(descriptor, self)
    server.connectionEnded()
  }

  /// Serves what has come until there is nothing more, in a task that lives no longer: a task that has served a request
  /// holds 3 KB, an idle connection without one 400 bytes.
  private func serve() {
    isServing = true
    // They come while the request is read.
    peer.lines.fetch()
    arm(milliseconds: 0)
    Task(executorPreference: loop) { await self.serveAll() }
  }

  private func serveAll() async {
    var served = 0
    do {
      repeat {
        guard try await serveOne(takeExchange()) else { return end() }
        served += 1
        // A peer that sends without a pause must not keep the loop from the others.
        if served % Self.requestsInARow == 0 { await Task.yield() }
      } while hasMore
      idle()
    } catch {
      end()
    }
  }

  /// Whether a further request, or a part of it, or the peer's end has come.
  private var hasMore: Bool {
    if let exchange, exchange.input.count > 0 { return true }
    // A read that filled its buffer to the last byte, as that of a large body does, tells nothing of what follows.
    var byte: UInt8 = 0
    if isReadable && recv(descriptor, &byte, 1, CInt(MSG_PEEK)) < 0 && errno == EAGAIN { isReadable = false }
    return isReadable
  }

  private func takeExchange() -> Exchange {
    let next = exchange ?? loop.exchanges.takeExchange(limits: server.limits)
    exchange = next
    next.name = loop.exchanges.nextName()
    next.loop = loop
    if next.peer !== peer { next.peer = peer }
    if hasLeft { next.peerLeft() }
    return next
  }

  private func release(_ exchange: Exchange) {
    releaseBody(exchange)
    loop.exchanges.give(exchange)
    self.exchange = nil
  }

  private func releaseBody(_ exchange: Exchange) {
    if exchange.reservedBytes > 0 {
      server.returnBodyBytes(exchange.reservedBytes, of: exchange.reservedFor)
      exchange.reservedBytes = 0
      exchange.reservedFor = nil
    }
    exchange.placedBody = nil
    if let large = exchange.largeBody {
      exchange.largeBody = nil
      loop.exchanges.give(body: large)
    }
  }

  /// Reads one request, has it answered, writes the answer. False when the connection is to end.
  private func serveOne(_ exchange: Exchange) async throws -> Bool {
    do {
      try await receiveHead(exchange)
      try await receiveBody(exchange)
    } catch let refusal as HostError {
      return try await refuse(exchange, refusal)
    }
    if deadline != 0 {
      arm(milliseconds: 0)
      pace = nil
    }
    await server.handler.respond(to: exchange)
    exchange.onDisconnect = nil
    // Asked only now: draining may have begun meanwhile.
    exchange.closes = !exchange.head.keepsAlive || server.isDraining
    // Only the connection's end says where such a body ends.
    if exchange.stream != nil && exchange.head.isHTTP10 { exchange.closes = true }
    defer { server.handler.didSend(exchange) }
    try await send(exchange)
    if let stream = exchange.stream, exchange.head.method != .head { try await send(stream, exchange) }
    if Log.isEnabled(.debug) { logRequest(exchange) }
    let goesOn = !exchange.closes
    exchange.input.removeFirst(exchange.inputConsumed)
    releaseBody(exchange)
    exchange.reset()
    return goesOn
  }

  private func receiveHead(_ exchange: Exchange) async throws {
    let input = exchange.input
    var isArmed = false
    exchange.arrivedNs = loop.now
    while try !exchange.head.parse(input.bytes, limits: server.limits) {
      awaitsFirstByte = input.count == 0
      if !awaitsFirstByte && !isArmed {
        arm(milliseconds: server.limits.headerTimeoutMs)
        isArmed = true
      }
      input.reserve(input.count == 0 ? 1 : 4096)
      do {
        input.count += try await receive(input.base + input.count, input.freeCount)
        if awaitsFirstByte {
          exchange.arrivedNs = loop.now
          server.handler.expect(input.bytes, from: peer)
        }
      } catch End.expired where input.count > 0 && !givesWay {
        // The answer looks at what has come.
        exchange.head.rebase(input.base)
        throw HostError(
          .requestTimeout, "the header section did not arrive within \(server.limits.headerTimeoutMs) ms")
      }
    }
    awaitsFirstByte = false
    exchange.inputConsumed = exchange.head.byteCount
    try server.handler.admit(exchange)
    if isNewcomer { loop.newcomers.remove(self) }
  }

  /// Answers what can't be read as a request, then ends the connection without losing the answer.
  private func refuse(_ exchange: Exchange, _ refusal: HostError) async throws -> Bool {
    hasExpired = false
    pace = nil
    exchange.refuse(refusal)
    server.handler.didRefuse(exchange, refusal)
    if refusal.code == .unsupportedMediaType { exchange.addHeader("Accept-Encoding", "gzip, deflate") }
    exchange.closes = true
    if Log.isEnabled(.debug) {
      let facts = [("code", refusal.code.rawValue), ("reason", refusal.message)]
      Log.write(.debug, { "refused a request" }, exchange.logFields + facts)
    }
    try await send(exchange)
    try await linger(exchange)
    return false
  }

  /// Reads and drops what is still under way: closing with unread bytes would discard the answer on the peer's side.
  private func linger(_ exchange: Exchange) async throws {
    shutdown(descriptor, CInt(SHUT_WR))
    arm(milliseconds: 2000)
    var dropped = 0
    exchange.input.reserve(4096)
    while dropped < 64 << 20 {
      dropped += try await receive(exchange.input.base, exchange.input.capacity)
    }
  }

  // MARK: Reading

  /// Reads at least one byte into `start`.
  func receive(_ start: UnsafeMutableRawPointer, _ capacity: Int) async throws -> Int {
    while true {
      if hasExpired { throw End.expired }
      if isReadable {
        let count = read(descriptor, start, capacity)
        if count > 0 {
          // A short read empties the socket; the next byte raises a new event, unless the last has come already.
          if count < capacity && !peerIsDone { isReadable = false }
          return count
        }
        if count == 0 { throw End.closed }
        switch errno {
        case EAGAIN: isReadable = false
        case EINTR: continue
        default: throw End.closed
        }
      }
      awaitsPeer = true
      await waitForEvent()
      awaitsPeer = false
    }
  }

  /// Sets the deadline by which the next part of a body must come.
  func expectProgress(_ exchange: Exchange) {
    if pace == nil { pace = BodyPace(byteCount: exchange.input.count - exchange.head.byteCount, beganNs: loop.now) }
    let limit = server.limits.progressTimeoutMs
    // Without a limit it is looked at all the same.
    arm(milliseconds: limit == 0 ? Self.endlessMs : limit)
  }

  /// Why waiting for a body has ended.
  func bodyRefusal() -> HostError {
    defer { waitRefusal = nil }
    return waitRefusal
      ?? HostError(.requestTimeout, "the body made no progress within \(server.limits.progressTimeoutMs) ms")
  }

  private func logRequest(_ exchange: Exchange) {
    Log.write(
      .debug, { "request" },
      exchange.logFields + [
        ("method", String(describing: exchange.head.method)),
        ("path", String(decoding: exchange.head.pathBytes, as: UTF8.self)), ("status", String(exchange.status)),
        ("bytes", String(exchange.bodyCount)),
      ])
  }
}
