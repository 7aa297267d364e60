import Wire

/// A body that another thread makes while the loop sends it, because all of it would take long or much memory.
package protocol BodyStream: AnyObject, Sendable {
  /// Fills blocks and sends them until the last, or until there are no more because the peer has left. Starts on the
  /// loop, and moves elsewhere for what takes time.
  func make(_ blocks: BodyBlocks) async
}

extension Connection {
  /// Whoever reads so slowly that a body takes longer doesn't get its rest: it keeps memory busy all the while.
  private static let streamLimitNs: UInt64 = 60_000_000_000

  /// Writes a body behind its head, in chunks unless the peer knows none.
  func send(_ stream: any BodyStream, _ exchange: Exchange) async throws {
    let blocks = BodyBlocks()
    async let making: Void = stream.make(blocks)
    do {
      try await send(blocks, isChunked: !exchange.head.isHTTP10)
    } catch {
      blocks.abandon()
      await making
      throw error
    }
    await making
  }

  private func send(_ blocks: BodyBlocks, isChunked: Bool) async throws {
    let began = loop.now
    while true {
      let block = await blocks.take()
      if loop.now - began > Self.streamLimitNs { throw End.expired }
      let start = isChunked ? 0 : BodyBlock.frontRoom
      if isChunked { block.frame() }
      try await sendAll(block.bytes.base + start, block.bytes.count - start)
      let isLast = block.isLast
      blocks.giveBack(block)
      if isLast { return }
      await loop.pause()
    }
  }
}
