import CLinux
import Glibc
package import Inference
import StadionClient

/// Drives one server from the calling thread: connections that are kept, requests that are sent in turn again and again.
///
/// Nothing is allocated for a request. Owned by one thread.
package final class LoadGenerator {
  let address: HostAddress
  /// Longest wait for any answer.
  let timeoutNs: UInt64
  let epoll: CInt
  private(set) var connections: [UnsafeMutablePointer<LoadConnection>] = []
  private let exchanges: UnsafeMutableBufferPointer<Exchange>
  /// Those in use, and the next of them.
  private var range: Range<Int>
  private var turn = 0

  /// - Parameter requests: At least one, all for the same server.
  package init(_ requests: [PreparedRequest], timeout: Duration = .seconds(60)) {
    address = requests[0].address
    timeoutNs = UInt64(timeout / .nanoseconds(1))
    exchanges = .allocate(capacity: requests.count)
    _ = exchanges.initialize(from: requests.map { Exchange($0) })
    range = 0..<requests.count
    epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
  }

  /// Uses these of the requests from now on.
  ///
  /// - Parameter first: Which of them is sent first, counted round.
  package func use(_ requests: Range<Int>, from first: Int = 0) {
    precondition(!requests.isEmpty && requests.upperBound <= exchanges.count)
    range = requests
    turn = requests.lowerBound + first % requests.count
  }

  deinit {
    for connection in connections {
      connection.pointee.close()
      connection.pointee.free()
      connection.deallocate()
    }
    for exchange in exchanges { exchange.free() }
    exchanges.deallocate()
    Glibc.close(epoll)
  }

  /// Opens connections until there are `count`.
  package func connect(_ count: Int) throws(HostError) {
    while connections.count < count {
      let connection = UnsafeMutablePointer<LoadConnection>.allocate(capacity: 1)
      connection.initialize(to: LoadConnection())
      connections.append(connection)
      try open(connection)
    }
  }

  private func open(_ connection: UnsafeMutablePointer<LoadConnection>) throws(HostError) {
    connection.pointee.socket = try HTTPConnection.connect(to: address, timeout: .seconds(10))
    connection.pointee.waitsForRoom = false
    var limit = timeval(tv_sec: max(1, Int(timeoutNs / 1_000_000_000)), tv_usec: 0)
    setsockopt(connection.pointee.socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(ptr: UnsafeMutableRawPointer(connection)))
    guard epoll_ctl(epoll, EPOLL_CTL_ADD, connection.pointee.socket, &event) == 0 else {
      throw HostError(.overloaded, "can't watch a connection: \(String(cString: strerror(errno)))")
    }
  }

  /// Puts a new connection in the place of one that broke.
  func reopen(_ connection: UnsafeMutablePointer<LoadConnection>) throws(HostError) {
    connection.pointee.close()
    connection.pointee.isBusy = false
    try open(connection)
  }

  // MARK: One exchange

  enum Outcome {
    case waiting
    case answered
    /// The connection stays.
    case refused(String)
    /// It must be opened anew.
    case broken(String)
  }

  /// Gives the connection the next request.
  @inline(__always)
  func begin(_ connection: UnsafeMutablePointer<LoadConnection>, at ns: UInt64) {
    connection.pointee.startOver(with: exchanges.baseAddress! + turn, at: ns)
    turn = turn + 1 == range.upperBound ? range.lowerBound : turn + 1
  }

  /// Sends what fits; watches for room only while something is left.
  @inline(__always)
  func send(_ connection: UnsafeMutablePointer<LoadConnection>, flags: CInt) -> Bool {
    guard let requestBytes = connection.pointee.exchange?.pointee.bytes else { return true }
    while connection.pointee.sentCount < requestBytes.count {
      let sent = connection.pointee.sentCount
      let count = Glibc.send(
        connection.pointee.socket, requestBytes.baseAddress! + sent, requestBytes.count - sent, flags)
      if count < 0 {
        if errno == EINTR { continue }
        guard errno == EAGAIN else { return false }
        break
      }
      connection.pointee.sentCount += count
    }
    let isFull = connection.pointee.sentCount < requestBytes.count
    if isFull != connection.pointee.waitsForRoom { watchRoom(connection, isFull) }
    return true
  }

  private func watchRoom(_ connection: UnsafeMutablePointer<LoadConnection>, _ isFull: Bool) {
    connection.pointee.waitsForRoom = isFull
    let events = EPOLLIN.rawValue | (isFull ? EPOLLOUT.rawValue : 0)
    var event = epoll_event(events: events, data: epoll_data_t(ptr: UnsafeMutableRawPointer(connection)))
    epoll_ctl(epoll, EPOLL_CTL_MOD, connection.pointee.socket, &event)
  }

  /// Reads once and tells what has come.
  @inline(__always)
  func receive(_ connection: UnsafeMutablePointer<LoadConnection>, flags: CInt) -> Outcome {
    connection.pointee.reserve()
    let received = connection.pointee.receivedCount
    let count = recv(
      connection.pointee.socket, connection.pointee.buffer + received, connection.pointee.capacity - received, flags)
    if count <= 0 { return missing(count) }
    connection.pointee.receivedCount = received + count
    if received + count < connection.pointee.wholeCount { return .waiting }
    return isKnown(connection) ? .answered : read(connection)
  }

  private func missing(_ count: Int) -> Outcome {
    if count == 0 { return .broken("the server closed a connection") }
    if errno == EAGAIN || errno == EINTR { return .waiting }
    return .broken("a connection broke: \(String(cString: strerror(errno)))")
  }

  /// Whether it is a whole answer whose head equals that of the first: the common case, in one comparison.
  @inline(__always)
  private func isKnown(_ connection: UnsafeMutablePointer<LoadConnection>) -> Bool {
    guard let exchange = connection.pointee.exchange, exchange.pointee.isAnswered else { return false }
    let head = exchange.pointee.head
    return connection.pointee.receivedCount == exchange.pointee.count
      && memcmp(connection.pointee.buffer, head.baseAddress!, head.count) == 0
  }

  private func read(_ connection: UnsafeMutablePointer<LoadConnection>) -> Outcome {
    let bytes = connection.pointee.bytes
    switch AnswerShape(bytes) {
    case .partial(let whole):
      guard whole <= 1 << 31 else { return .broken("an answer of \(whole) bytes; at most 2 GiB are read") }
      connection.pointee.wholeCount = whole
      return .waiting
    case .broken(let why): return .broken("an answer can't be read: \(why)")
    case .whole(let status, let headCount, let count):
      guard count == bytes.count else { return .broken("the server sent more than an answer") }
      guard status == 200 else {
        let text = String(decoding: bytes[headCount...].prefix(300), as: UTF8.self)
        return .refused("status \(status): \(text)")
      }
      if let exchange = connection.pointee.exchange, !exchange.pointee.isAnswered {
        exchange.pointee.learn(bytes, headCount: headCount)
      }
      return .answered
    }
  }

  /// Whether the answer ends as the first one to this request did.
  @inline(__always)
  func isUnchanged(_ connection: UnsafeMutablePointer<LoadConnection>) -> Bool {
    connection.pointee.exchange?.pointee.isUnchanged(connection.pointee.bytes) ?? true
  }
}
