import Glibc
import Wire

extension Connection {
  /// Receives and decodes the body that the head announces; leaves it in `exchange.body`.
  ///
  /// - Throws: `HTTPRefusal` 400, 408, 413, 415 or 503; `End` when the peer leaves.
  func receiveBody(_ exchange: Exchange) async throws {
    let head = exchange.head
    if head.isChunked {
      try await sendContinue(exchange)
      try await receiveChunked(exchange)
    } else if let length = head.contentLength, length > 0 {
      guard length <= server.limits.bodyBytes else {
        throw HTTPRefusal(413, "the body of \(length) bytes exceeds the limit of \(server.limits.bodyBytes) bytes")
      }
      try await receivePlain(exchange, length)
    }
    if head.contentCoding != .identity { try decompress(exchange) }
  }

  private func sendContinue(_ exchange: Exchange) async throws {
    guard exchange.head.expectsContinue, exchange.input.count == exchange.head.byteCount else { return }
    let line: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"
    // 25 bytes into an empty socket: they fit, or the peer isn't reading at all.
    guard write(descriptor, line.utf8Start, line.utf8CodeUnitCount) == line.utf8CodeUnitCount else { throw End.closed }
  }

  private func receivePlain(_ exchange: Exchange, _ length: Int) async throws {
    let input = exchange.input
    let headEnd = exchange.head.byteCount
    if length <= input.capacity - headEnd {
      if input.count - headEnd < length { try await sendContinue(exchange) }
      while input.count - headEnd < length {
        expectProgress()
        input.count += try await receivePart(input.base + input.count, input.freeCount)
      }
      exchange.body = UnsafeRawBufferPointer(start: input.base + headEnd, count: length)
      exchange.inputConsumed = headEnd + length
      return
    }
    // A large body gets memory of its own, placed so that its tensors are aligned where they lie.
    let start = alignedStart(exchange)
    let large = try takeLargeBody(exchange, byteCount: length + start)
    var have = min(input.count - headEnd, length)
    (large.base + start).copyMemory(from: input.base + headEnd, byteCount: have)
    exchange.inputConsumed = headEnd + have
    if have < length { try await sendContinue(exchange) }
    while have < length {
      expectProgress()
      have += try await receivePart(large.base + start + have, length - have)
    }
    exchange.body = UnsafeRawBufferPointer(start: large.base + start, count: length)
  }

  private func receiveChunked(_ exchange: Exchange) async throws {
    let input = exchange.input
    let start = alignedStart(exchange)
    let body = try takeLargeBody(exchange, byteCount: 16 * 1024)
    body.count = start
    // The head stays in front: the handler still reads the path and fields there.
    let headEnd = exchange.head.byteCount
    var decoder = ChunkedBody()
    while true {
      let arrived = UnsafeRawBufferPointer(rebasing: input.bytes[headEnd...])
      let (taken, isComplete) = try decoder.decode(arrived, into: body, from: start, limits: server.limits)
      if isComplete {
        exchange.inputConsumed = headEnd + taken
        break
      }
      input.count = headEnd
      if input.freeCount < 4096 {
        input.reserve(4096)
        exchange.head.move(to: input.base)
      }
      if body.capacity > exchange.reservedBytes { try reserve(exchange, body.capacity - exchange.reservedBytes) }
      expectProgress()
      input.count += try await receivePart(input.base + input.count, input.freeCount)
    }
    exchange.body = UnsafeRawBufferPointer(start: body.base + start, count: body.count - start)
  }

  private func receivePart(_ start: UnsafeMutableRawPointer, _ capacity: Int) async throws -> Int {
    do {
      return try await receive(start, capacity)
    } catch End.expired {
      throw HTTPRefusal(408, "the body made no progress within \(server.limits.progressTimeoutMs) ms")
    }
  }

  /// Where a body starts in its buffer, so that what `alignedOffset` names stands at a multiple of 64.
  private func alignedStart(_ exchange: Exchange) -> Int {
    let offset = server.handler.alignedOffset(for: exchange.head)
    return (64 - offset & 63) & 63
  }

  private func takeLargeBody(_ exchange: Exchange, byteCount: Int) throws(HTTPRefusal) -> ByteBuffer {
    try reserve(exchange, byteCount)
    let body = loop.exchanges.takeBody(byteCount)
    exchange.largeBody = body
    return body
  }

  private func reserve(_ exchange: Exchange, _ byteCount: Int) throws(HTTPRefusal) {
    guard server.takeBodyBytes(byteCount) else {
      throw HTTPRefusal(503, "bodies under way take up all of \(server.limits.totalBodyBytes) bytes; try again")
    }
    exchange.reservedBytes += byteCount
  }

  private func decompress(_ exchange: Exchange) throws(HTTPRefusal) {
    guard exchange.head.contentCoding != .unknown else {
      throw HTTPRefusal(415, "the content coding must be gzip, deflate or identity")
    }
    let start = alignedStart(exchange)
    let decoded = loop.exchanges.takeBody(max(64 * 1024, min(exchange.body.count * 4, server.limits.bodyBytes)) + start)
    do {
      try Compression.inflate(exchange.body, into: decoded, at: start, limit: server.limits.bodyBytes)
      try reserve(exchange, decoded.capacity)
    } catch {
      loop.exchanges.give(body: decoded)
      throw error
    }
    exchange.body = UnsafeRawBufferPointer(start: decoded.base + start, count: decoded.count - start)
    if let compressed = exchange.largeBody { loop.exchanges.give(body: compressed) }
    exchange.largeBody = decoded
  }
}
