import CLinux
import Glibc

/// Answers on their way to the peer.
extension Connection {
  func send(_ exchange: Exchange) async throws {
    var iov = exchange.answer(loop.exchanges)
    if iov.count == 1 { return try await sendAll(iov[0].iov_base!, iov[0].iov_len) }
    var first = 0
    while true {
      var count = iov.withUnsafeBufferPointer {
        writev(descriptor, $0.baseAddress! + first, CInt(min($0.count - first, 1024)))
      }
      let written = count
      while count > 0 {
        let taken = min(count, iov[first].iov_len)
        iov[first].iov_base += taken
        iov[first].iov_len -= taken
        count -= taken
        if iov[first].iov_len == 0 { first += 1 }
      }
      while first < iov.count && iov[first].iov_len == 0 { first += 1 }
      if first == iov.count { break }
      try await afterPartialWrite(written)
    }
  }

  func sendAll(_ start: UnsafeMutableRawPointer, _ byteCount: Int) async throws {
    var start = start
    var rest = byteCount
    while true {
      let count = write(descriptor, start, rest)
      if count == rest { return }
      if count > 0 {
        start += count
        rest -= count
      }
      try await afterPartialWrite(count)
    }
  }

  /// Waits until the socket takes more, if `count` says that it took less than it was given.
  private func afterPartialWrite(_ count: Int) async throws {
    if count < 0 {
      switch errno {
      case EAGAIN: break
      case EINTR: return
      default: throw End.closed
      }
    }
    isWritable = false
    arm(milliseconds: server.limits.progressTimeoutMs)
    // Only now: with EPOLLOUT always on, each read of the peer would wake this loop.
    loop.rewatch(descriptor, Self.quietEvents | EPOLLOUT.rawValue, self)
    while !isWritable {
      if hasExpired { throw End.expired }
      await waitForEvent()
    }
    loop.rewatch(descriptor, Self.quietEvents, self)
    arm(milliseconds: 0)
  }
}
