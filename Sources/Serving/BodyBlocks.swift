import Synchronization
package import Wire

/// A piece of a body. Whoever makes the body or the loop that sends it has it, never both.
package final class BodyBlock: @unchecked Sendable {
  // @unchecked: it is handed from one thread to the other through `BodyBlocks`.

  /// 64 KB keep a loop for some 15 µs, the time that the kernel takes to copy them.
  package static let byteCount = 64 * 1024
  /// In front, where a chunk's size is put.
  static let frontRoom = 10

  /// Appended to until it holds about `byteCount`.
  package let bytes = ByteBuffer(capacity: byteCount + 4096)

  init() {}

  fileprivate(set) var isLast = false

  fileprivate func clear() { bytes.count = Self.frontRoom }

  /// Makes it a chunk: RFC 9112 section 7.1, which allows zeros in front of a size.
  func frame() {
    var rest = bytes.count - Self.frontRoom
    for place in (0..<8).reversed() {
      let digit = UInt8(truncatingIfNeeded: rest & 15)
      bytes.base.storeBytes(of: digit + (digit < 10 ? 48 : 87), toByteOffset: place, as: UInt8.self)
      rest >>= 4
    }
    bytes.base.storeBytes(of: 13, toByteOffset: 8, as: UInt8.self)
    bytes.base.storeBytes(of: 10, toByteOffset: 9, as: UInt8.self)
    bytes.append(isLast ? "\r\n0\r\n\r\n" : "\r\n")
  }
}

/// Passes a body's blocks from the thread that makes them to the loop that sends them.
///
/// A few blocks go round: who makes them waits without a thread until half of them have been sent, as each waking costs as
/// much as filling a block. A peer that is slow or gone holds no more than these.
package final class BodyBlocks: Sendable {
  private struct State {
    var unmadeCount = BodyBlocks.blockCount
    var free: [BodyBlock] = []
    var made: [BodyBlock] = []
    var isAbandoned = false
    var maker: UnsafeContinuation<BodyBlock?, Never>?
    var sender: UnsafeContinuation<BodyBlock, Never>?
  }

  private static let blockCount = 8
  private let state = Mutex(State())

  init() {}

  // MARK: For who makes the body

  /// An empty block, once there is one; nil when the peer has left.
  package func next() async -> BodyBlock? {
    let block = await withUnsafeContinuation { continuation in
      let block: BodyBlock?? = state.withLock { state in
        if state.isAbandoned { return .some(nil) }
        if let block = state.free.popLast() { return block }
        if state.unmadeCount > 0 {
          state.unmadeCount -= 1
          return BodyBlock()
        }
        state.maker = continuation
        return nil
      }
      if let block { continuation.resume(returning: block) }
    }
    block?.clear()
    return block
  }

  /// Hands over a block, which holds something, for the loop to send.
  package func send(_ block: BodyBlock, isLast: Bool = false) {
    block.isLast = isLast
    let sender = state.withLock { state in
      if state.sender == nil { state.made.append(block) }
      return state.sender.take()
    }
    sender?.resume(returning: block)
  }

  // MARK: For the loop

  /// The next block, once it is made. Not asked behind the last.
  func take() async -> BodyBlock {
    await withUnsafeContinuation { continuation in
      let block = state.withLock { state -> BodyBlock? in
        guard state.made.isEmpty else { return state.made.removeFirst() }
        state.sender = continuation
        return nil
      }
      if let block { continuation.resume(returning: block) }
    }
  }

  func giveBack(_ block: BodyBlock) {
    let (maker, next) = state.withLock { state -> (UnsafeContinuation<BodyBlock?, Never>?, BodyBlock?) in
      state.free.append(block)
      guard state.maker != nil, state.free.count >= Self.blockCount / 2 else { return (nil, nil) }
      return (state.maker.take(), state.free.popLast())
    }
    maker?.resume(returning: next)
  }

  /// The peer has left: nothing is to be made any more.
  func abandon() {
    let maker = state.withLock { state in
      state.isAbandoned = true
      return state.maker.take()
    }
    maker?.resume(returning: nil)
  }
}
