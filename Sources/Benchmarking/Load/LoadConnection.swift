import Glibc

/// One connection of a load generator: one request in flight. Memory of its own, kept until `close`.
struct LoadConnection {
  var socket: CInt = -1
  /// The request that is under way; nil before the first. Kept alive by the generator.
  private(set) var exchange: UnsafeMutablePointer<Exchange>?
  /// Of the request.
  var sentCount = 0
  var receivedCount = 0
  /// Bytes of the whole answer, as far as they are known; else 0.
  var wholeCount = 0
  /// CLOCK_MONOTONIC when the request was begun, or should have been.
  var dueNs: UInt64 = 0
  var isBusy = false
  /// Epoll also watches for room to send.
  var waitsForRoom = false
  private(set) var buffer: UnsafeMutableRawPointer
  private(set) var capacity: Int

  init() {
    capacity = 16 * 1024
    buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
  }

  mutating func close() {
    if socket >= 0 { Glibc.close(socket) }
    socket = -1
  }

  func free() { buffer.deallocate() }

  mutating func startOver(with exchange: UnsafeMutablePointer<Exchange>, at ns: UInt64) {
    self.exchange = exchange
    sentCount = 0
    receivedCount = 0
    wholeCount = 0
    dueNs = ns
    isBusy = true
  }

  /// Makes room for the rest of the answer.
  mutating func reserve() {
    let wanted = max(wholeCount, receivedCount + 4096)
    guard capacity < wanted else { return }
    let count = max(wanted, wholeCount > 0 ? wholeCount : capacity * 2)
    let larger = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
    larger.copyMemory(from: buffer, byteCount: receivedCount)
    buffer.deallocate()
    buffer = larger
    capacity = count
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: buffer, count: receivedCount) }
}
