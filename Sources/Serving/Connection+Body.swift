import Glibc
import Inference
import Wire

extension Connection {
  /// Receives and decodes the body that the head announces; leaves it in `exchange.body`.
  ///
  /// - Throws: `HostError` with a status of 400, 408, 413, 415 or 503; `End` when the peer leaves.
  func receiveBody(_ exchange: Exchange) async throws {
    let head = exchange.head
    if head.method == .put || head.method == .patch, let sink = try await server.handler.sink(for: exchange) {
      return try await receiveBody(exchange, into: sink)
    }
    if head.isChunked {
      try await sendContinue(exchange)
      try await receiveChunked(exchange)
    } else if let length = head.contentLength, length > 0 {
      let limit = server.limits.bodyBytes
      guard length <= limit else {
        throw HostError(
          .payloadTooLarge, "the body of \(length) bytes exceeds the limit of \(limit) bytes",
          details: ["limitBytes": .integer(limit)])
      }
      try await receivePlain(exchange, length)
    }
    if head.contentCoding != .identity && head.hasBodyFraming { try decompress(exchange) }
  }

  func sendContinue(_ exchange: Exchange) async throws {
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
        expectProgress(exchange)
        input.count += try await receivePart(input.base + input.count, input.freeCount)
      }
      exchange.body = UnsafeRawBufferPointer(start: input.base + headEnd, count: length)
      exchange.inputConsumed = headEnd + length
      return
    }
    if try await receivePlaced(exchange, length) { return }
    // A large body gets memory of its own, placed so that its tensors are aligned where they lie.
    let start = alignedStart(exchange)
    let large = try takeLargeBody(exchange, byteCount: length + start)
    var have = min(input.count - headEnd, length)
    try reserve(exchange, have)
    (large.base + start).copyMemory(from: input.base + headEnd, byteCount: have)
    exchange.inputConsumed = headEnd + have
    if have < length { try await sendContinue(exchange) }
    while have < length {
      expectProgress(exchange)
      let count = try await receivePart(large.base + start + have, min(length - have, Self.bodyStep))
      have += count
      // Counted as it arrives: a length alone, however large, keeps nobody else out.
      try reserve(exchange, count)
    }
    exchange.body = UnsafeRawBufferPointer(start: large.base + start, count: length)
  }

  /// Receives a body whose tensors go straight to where they are used; what stands before them stays with the head.
  ///
  /// - Returns: False if the handler has no such place.
  private func receivePlaced(_ exchange: Exchange, _ length: Int) async throws -> Bool {
    let input = exchange.input
    let headEnd = exchange.head.byteCount
    let offset = server.handler.alignedOffset(for: exchange.head)
    guard exchange.head.contentCoding == .identity, offset < length, offset <= input.capacity - headEnd,
      let memory = server.handler.memory(for: exchange, byteCount: length - offset)
    else { return false }
    exchange.placedBody = memory
    if input.count - headEnd < length { try await sendContinue(exchange) }
    while input.count - headEnd < offset {
      expectProgress(exchange)
      input.count += try await receivePart(input.base + input.count, headEnd + offset - input.count)
    }
    // What came along with the head.
    var have = min(input.count - headEnd - offset, memory.byteCount)
    try reserve(exchange, have)
    memory.start.copyMemory(from: input.base + headEnd + offset, byteCount: have)
    exchange.inputConsumed = headEnd + offset + have
    while have < memory.byteCount {
      expectProgress(exchange)
      let count = try await receivePart(memory.start + have, min(memory.byteCount - have, Self.bodyStep))
      have += count
      try reserve(exchange, count)
    }
    exchange.body = UnsafeRawBufferPointer(start: input.base + headEnd, count: offset)
    return true
  }

  /// Bytes of a large body that are asked for at once.
  private static let bodyStep = 1 << 20

  private func receiveChunked(_ exchange: Exchange) async throws {
    let input = exchange.input
    let start = alignedStart(exchange)
    let body = try takeLargeBody(exchange, byteCount: 16 * 1024)
    body.count = start
    // The head stays in front, as handlers read it there; what is still to be decoded stands behind it.
    let headEnd = exchange.head.byteCount
    input.reserve(4096)
    exchange.head.rebase(input.base)
    var decoder = ChunkedBody()
    while true {
      let undecoded = UnsafeRawBufferPointer(rebasing: input.bytes[headEnd...])
      let (taken, isComplete) = try decoder.decode(undecoded, into: body, from: start, limits: server.limits)
      exchange.inputConsumed = headEnd + taken
      if isComplete { break }
      // Without an end, all there was has been decoded.
      input.count = headEnd
      if body.capacity > exchange.reservedBytes { try reserve(exchange, body.capacity - exchange.reservedBytes) }
      expectProgress(exchange)
      input.count += try await receivePart(input.base + input.count, input.freeCount)
    }
    exchange.body = UnsafeRawBufferPointer(start: body.base + start, count: body.count - start)
  }

  func receivePart(_ start: UnsafeMutableRawPointer, _ capacity: Int) async throws -> Int {
    do {
      let count = try await receive(start, capacity)
      pace?.byteCount += count
      return count
    } catch End.expired {
      throw bodyRefusal()
    }
  }

  /// Where a body starts in its buffer, so that what `alignedOffset` names stands at a multiple of 64.
  private func alignedStart(_ exchange: Exchange) -> Int {
    let offset = server.handler.alignedOffset(for: exchange.head)
    return (64 - offset & 63) & 63
  }

  private func takeLargeBody(_ exchange: Exchange, byteCount: Int) throws(HostError) -> ByteBuffer {
    guard let body = loop.exchanges.takeBody(byteCount) else { throw Self.noMemory(byteCount) }
    exchange.largeBody = body
    return body
  }

  static func noMemory(_ byteCount: Int) -> HostError {
    HostError(.overloaded, "no memory for a body of \(byteCount) bytes; try again")
  }

  func reserve(_ exchange: Exchange, _ byteCount: Int) throws(HostError) {
    if exchange.reservedBytes == 0 { exchange.reservedFor = peer.load }
    try server.takeBodyBytes(byteCount, for: exchange.reservedFor)
    exchange.reservedBytes += byteCount
  }

  private func decompress(_ exchange: Exchange) throws(HostError) {
    guard exchange.head.contentCoding != .unknown else {
      throw HostError(.unsupportedMediaType, "the content coding must be gzip, deflate or identity")
    }
    let start = alignedStart(exchange)
    let expected = max(64 * 1024, min(exchange.body.count * 4, server.limits.bodyBytes)) + start
    guard let decoded = loop.exchanges.takeBody(expected) else { throw Self.noMemory(expected) }
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
