import Glibc
package import Wire

/// Sends a body block by block while it is made, on the thread that makes it.
///
/// What has just been written is at hand there, and the loop has nothing to do while the peer keeps up. Where it doesn't,
/// whoever makes the body waits, without a thread, until its socket has room: a peer that is slow or gone holds one block.
package final class BodyWriter: @unchecked Sendable {
  // @unchecked: whoever makes the body has it, on one thread at a time; its connection waits meanwhile.

  /// Bytes at which a block is worth sending: few enough to stay in a core's cache, and for its kernel to copy at once.
  package static let blockByteCount = 64 * 1024
  /// In front, where a chunk's size is put.
  private static let frontRoom = 10
  /// Whoever reads so slowly that a body takes longer doesn't get its rest: it keeps memory busy all the while.
  private static let limitNs: UInt64 = 60_000_000_000

  /// The block, which is appended to. It isn't empty at first, for what is put in front.
  package let bytes = ByteBuffer(capacity: blockByteCount + 4096)
  /// Why nothing more is sent.
  private(set) var end: (any Error)?
  private let connection: Connection
  private let isChunked: Bool
  private let began: UInt64

  /// On the connection's loop.
  init(_ connection: Connection, isChunked: Bool) {
    self.connection = connection
    self.isChunked = isChunked
    began = connection.loop.now
    bytes.count = Self.frontRoom
  }

  /// Sends the block and empties it.
  ///
  /// - Returns: False when the peer has left: nothing more is to be made.
  @discardableResult
  package func send(isLast: Bool = false) async -> Bool {
    guard end == nil else { return false }
    let isEmpty = bytes.count == Self.frontRoom
    let start = bytes.base + (isChunked && !isEmpty ? 0 : Self.frontRoom)
    if isChunked { frame(isEmpty: isEmpty, isLast: isLast) }
    let byteCount = bytes.base + bytes.count - start
    let sent = byteCount > 0 ? max(write(connection.descriptor, start, byteCount), 0) : 0
    if sent < byteCount { await sendSlowly(start + sent, byteCount - sent) }
    bytes.count = Self.frontRoom
    return end == nil
  }

  /// Makes the block a chunk: RFC 9112 section 7.1, which allows zeros in front of a size.
  private func frame(isEmpty: Bool, isLast: Bool) {
    if !isEmpty {
      var rest = bytes.count - Self.frontRoom
      for place in (0..<8).reversed() {
        let digit = UInt8(truncatingIfNeeded: rest & 15)
        bytes.base.storeBytes(of: digit + (digit < 10 ? 48 : 87), toByteOffset: place, as: UInt8.self)
        rest >>= 4
      }
      bytes.base.storeBytes(of: 13, toByteOffset: 8, as: UInt8.self)
      bytes.base.storeBytes(of: 10, toByteOffset: 9, as: UInt8.self)
      bytes.append("\r\n")
    }
    if isLast { bytes.append("0\r\n\r\n") }
  }

  /// On the loop, which knows when the socket has room again or has failed.
  private func sendSlowly(_ start: UnsafeMutableRawPointer, _ byteCount: Int) async {
    await withTaskExecutorPreference(connection.loop) {
      do {
        if connection.loop.now - began > Self.limitNs { throw Connection.End.expired }
        try await connection.sendAll(start, byteCount)
      } catch {
        end = error
      }
    }
  }
}
