import Inference
import Wire

extension Connection {
  /// Bytes of a piece. Two are under way per body, so a body of any size needs 2 MiB.
  private static let pieceBytes = 1 << 20

  /// Hands the body to `sink` as it comes: while one piece is being taken, the next is received.
  func receiveBody(_ exchange: Exchange, into sink: any BodySink) async throws {
    do {
      try await receivePieces(exchange, into: sink)
    } catch {
      await sink.end()
      throw error
    }
    await sink.end()
  }

  private func receivePieces(_ exchange: Exchange, into sink: any BodySink) async throws {
    let head = exchange.head
    guard head.contentCoding == .identity else {
      throw HostError(.unsupportedMediaType, "this body is stored as it comes: its content coding must be identity")
    }
    guard let length = head.contentLength else {
      throw HostError(.lengthRequired, "this body needs a Content-Length; send a large one in several requests")
    }
    let size = min(length, Self.pieceBytes)
    let first = try takePiece(size)
    defer { loop.exchanges.give(body: first) }
    let second = try takePiece(size)
    defer { loop.exchanges.give(body: second) }
    try await sendContinue(exchange)

    var (filling, other) = (first, second)
    var taken: Task<HostError?, Never>?
    var rest = length
    do {
      // What came along with the head.
      let headEnd = head.byteCount
      let early = min(exchange.input.count - headEnd, length)
      exchange.inputConsumed = headEnd + early
      var start = 0
      while rest > 0 {
        let wanted = min(size, rest)
        filling.removeAll()
        while filling.count < wanted {
          if start < early {
            let count = min(early - start, wanted - filling.count)
            filling.append(UnsafeRawBufferPointer(start: exchange.input.base + headEnd + start, count: count))
            start += count
          } else {
            expectProgress(exchange)
            filling.count += try await receivePart(filling.base + filling.count, wanted - filling.count)
            // Memory that nothing has come to isn't there yet: who only announces a body takes none.
            let touched = min(length - rest + filling.count, 2 * size)
            if touched > exchange.reservedBytes { try reserve(exchange, touched - exchange.reservedBytes) }
          }
        }
        if let refusal = await taken?.value { throw refusal }
        let piece = LentBytes(filling.bytes)
        taken = Task { await Self.refusal(of: piece, by: sink) }
        swap(&filling, &other)
        rest -= wanted
        // A peer that never pauses must not keep the loop from the others.
        await Task.yield()
      }
    } catch {
      // It reads from our memory until then. What has come of the next piece is kept, too: the peer may go on there.
      let refusal = await taken?.value
      if refusal == nil && filling.count > 0 {
        _ = await Self.refusal(of: LentBytes(filling.bytes), by: sink)
      }
      throw refusal ?? error
    }
    if let refusal = await taken?.value { throw refusal }
  }

  private static func refusal(of piece: LentBytes, by sink: any BodySink) async -> HostError? {
    do throws(HostError) {
      try await sink.take(piece)
      return nil
    } catch {
      return error
    }
  }

  private func takePiece(_ byteCount: Int) throws(HostError) -> ByteBuffer {
    guard let piece = loop.exchanges.takeBody(byteCount) else { throw Self.noMemory(byteCount) }
    return piece
  }
}
