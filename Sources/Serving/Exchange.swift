import CLinux
import Inference
package import Wire

/// One request and its answer, in buffers that are used again for the next.
///
/// Only touched from its connection's loop or, while a handler has moved there, from the thread that runs the handler.
package final class Exchange: @unchecked Sendable {
  // @unchecked: one task owns an exchange at a time; it is never used from two threads at once.

  /// Memory that is written behind `out` without a copy.
  struct Segment {
    let start: UnsafeRawPointer
    let byteCount: Int
  }

  /// Free bytes in front of the answer's body, where its head is put so that both leave in one piece.
  static let headRoom = 512
  /// Larger answers are sent as they are: packing them would hold up the loop for seconds.
  static let compressionLimit = 64 << 20

  let input = ByteBuffer(capacity: 16 * 1024)
  /// Bytes of `input` that belong to this request.
  var inputConsumed = 0
  /// Memory of a body that doesn't fit `input`, and what the server counts for it.
  var largeBody: ByteBuffer?
  var reservedBytes = 0
  /// Whose these bytes are, from the first of them on.
  var reservedFor: ServingLoad?
  package internal(set) var head: HTTPHead
  /// The decoded body. Aligned to 64 bytes at the place that `HTTPHandler.alignedOffset` named, if it is large.
  package internal(set) var body = UnsafeRawBufferPointer(start: nil, count: 0)
  /// What follows `body`, in memory that the handler gave; nil where `body` is all.
  package internal(set) var placedBody: (any BodyMemory)?

  /// The answer's body. Handlers append to it; it starts empty.
  package let out = ByteBuffer(capacity: 4096)
  private(set) var segments: [Segment] = []
  private(set) var segmentBytes = 0

  package private(set) var status = 200
  private(set) var contentType: StaticString = "application/json"
  /// Further header lines, each with its CRLF.
  let headerLines = ByteBuffer(capacity: 256)
  /// Set by handlers whose answers may be compressed.
  package var isCompressible = false
  /// The connection ends behind this answer.
  var closes = false
  /// What follows instead of `out`, whose size nobody knows yet. Set by handlers.
  package var stream: (any BodyStream)?
  /// CLOCK_MONOTONIC when the loop had the request's first bytes.
  package internal(set) var arrivedNs: UInt64 = 0
  /// CLOCK_MONOTONIC when it must be answered; 0 where nobody has said so. Set by handlers, for the log and refusals.
  package var deadlineNs: UInt64 = 0
  /// The answer is an error.
  var isRefusal = false
  /// Of this request, should it need a name.
  var name = RequestName(prefix: 0, number: 0)

  /// Where its connection is; nil before it has one.
  package internal(set) unowned(unsafe) var loop: EventLoop?  // which keeps this, or its connection that does

  /// Who sends it; nil only where a connection is refused before it has begun.
  package internal(set) var peer: Peer?

  /// What a handler keeps from one request to the next, so that it allocates nothing.
  package var scratch: AnyObject?
  /// Called on the loop when the peer leaves while its request is handled, at once if it has left before. Any run it
  /// waits for should stop.
  package var onDisconnect: (@Sendable () -> Void)? {
    didSet { if hasPeerLeft { onDisconnect?() } }
  }
  fileprivate var hasPeerLeft = false

  private let fields: UnsafeMutablePointer<HTTPHead.Field>

  init(limits: ServingLimits) {
    fields = .allocate(capacity: limits.headerFields)
    head = HTTPHead(fields: fields)
    reset()
  }

  deinit { fields.deallocate() }

  /// Readies the answer's side for the next request.
  func reset() {
    out.count = Self.headRoom
    if !segments.isEmpty { segments.removeAll(keepingCapacity: true) }
    segmentBytes = 0
    status = 200
    contentType = "application/json"
    headerLines.removeAll()
    isCompressible = false
    closes = false
    isRefusal = false
    deadlineNs = 0
    stream = nil
    onDisconnect = nil
    body = UnsafeRawBufferPointer(start: nil, count: 0)
    head.begin()
  }

  func peerLeft() {
    hasPeerLeft = true
    onDisconnect?()
  }

  // MARK: For handlers

  package func setStatus(_ status: Int, contentType: StaticString = "application/json") {
    self.status = status
    self.contentType = contentType
  }

  package func addHeader(_ name: StaticString, _ value: Int) {
    headerLines.append(name)
    headerLines.append(": ")
    headerLines.append(decimal: value)
    headerLines.append("\r\n")
  }

  package func addHeader(_ name: StaticString, _ value: StaticString) {
    headerLines.append(name)
    headerLines.append(": ")
    headerLines.append(value)
    headerLines.append("\r\n")
  }

  package func addHeader(_ name: StaticString, bytes value: UnsafeRawBufferPointer) {
    headerLines.append(name)
    headerLines.append(": ")
    headerLines.append(value)
    headerLines.append("\r\n")
  }

  /// - Parameter text: The host's own; whoever takes a part of it from a request makes sure that it has no CR or LF.
  package func addHeader(_ name: StaticString, text: String) {
    headerLines.append(name)
    headerLines.append(": ")
    headerLines.append(text)
    headerLines.append("\r\n")
  }

  /// - Parameter lines: The host's own, each with its CRLF.
  package func addHeaderLines(_ lines: [UInt8]) { lines.withUnsafeBytes { headerLines.append($0) } }

  /// Appends memory that stays as it is until the answer is written; the handler keeps it alive till its next request.
  package func appendUncopied(_ start: UnsafeRawPointer, _ byteCount: Int) {
    segments.append(Segment(start: start, byteCount: byteCount))
    segmentBytes += byteCount
  }

  /// Bytes of the answer's body so far.
  package var bodyCount: Int { out.count - Self.headRoom + segmentBytes }

  /// Drops what a handler has written, so that an error can take its place.
  package func restart() {
    out.count = Self.headRoom
    segments.removeAll(keepingCapacity: true)
    segmentBytes = 0
    headerLines.removeAll()
    isCompressible = false
    isRefusal = false
    stream = nil
  }

  // MARK: The answer as bytes

  /// The whole answer as memory to be written, compressed if both sides want it.
  func answer(_ pool: ExchangePool) -> [iovec] {
    var coding = ContentCoding.identity
    // zlib counts in 32 bits, and what is that large is better sent as it is.
    let isPackable = isCompressible && bodyCount <= Self.compressionLimit
    if isPackable && head.acceptedCoding != .identity && status == 200 && compress(pool) {
      coding = head.acceptedCoding
    }
    let head = pool.headScratch
    writeHead(into: head, contentCoding: coding)
    var parts: [iovec] = []
    parts.reserveCapacity(segments.count + 2)
    var start = Self.headRoom
    if head.count <= start {
      start -= head.count
      out.base.advanced(by: start).copyMemory(from: head.base, byteCount: head.count)
    } else {
      parts.append(iovec(iov_base: head.base, iov_len: head.count))
    }
    let isHead = self.head.method == .head
    parts.append(iovec(iov_base: out.base + start, iov_len: (isHead ? Self.headRoom : out.count) - start))
    if !isHead {
      for part in segments where part.byteCount > 0 {
        parts.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: part.start), iov_len: part.byteCount))
      }
    }
    return parts
  }

  private func compress(_ pool: ExchangePool) -> Bool {
    let plain = UnsafeRawBufferPointer(start: out.base + Self.headRoom, count: out.count - Self.headRoom)
    guard let packed = pool.takeBody(16 * 1024) else { return false }
    packed.count = 0
    let parts = [plain] + segments.map { UnsafeRawBufferPointer(start: $0.start, count: $0.byteCount) }
    let isDone = Compression.deflate(parts, coding: head.acceptedCoding, into: packed)
    if isDone {
      out.count = Self.headRoom
      segments.removeAll(keepingCapacity: true)
      segmentBytes = 0
      out.append(packed.bytes)
    }
    pool.give(body: packed)
    return isDone
  }

  private func writeHead(into line: ByteBuffer, contentCoding: ContentCoding) {
    line.removeAll()
    line.append("HTTP/1.1 ")
    line.append(HTTPStatus.line(status))
    line.append("Content-Type: ")
    line.append(contentType)
    if stream == nil {
      line.append("\r\nContent-Length: ")
      line.append(decimal: bodyCount)
    } else if !head.isHTTP10 {
      line.append("\r\nTransfer-Encoding: chunked")
    }
    line.append("\r\n")
    line.append(headerLines.bytes)
    if head.bringsRequestID || isRefusal {
      line.append("X-Request-Id: ")
      appendRequestID(to: line)
      line.append("\r\n")
    }
    switch contentCoding {
    case .gzip: line.append("Content-Encoding: gzip\r\n")
    case .deflate: line.append("Content-Encoding: deflate\r\n")
    case .identity, .unknown: break
    }
    if closes {
      line.append("Connection: close\r\n")
    } else if head.isHTTP10 {
      line.append("Connection: keep-alive\r\n")
    }
    line.append("\r\n")
  }
}

/// Exchanges and large bodies of one loop, kept for reuse. Only touched from the loop's thread.
final class ExchangePool {
  /// Bytes of idle bodies that a loop keeps: about what a few image requests at once use.
  private static let bodyByteLimit = 64 * 1024 * 1024
  private static let exchangeLimit = 64

  private var exchanges: [Exchange] = []
  private var bodies: [ByteBuffer] = []
  private var bodyBytes = 0
  /// For heads of answers, which are put together one at a time.
  let headScratch = ByteBuffer(capacity: 1024)
  private var name = RequestName.first()

  /// For the next request.
  func nextName() -> RequestName {
    name.number += 1
    return name
  }

  func takeExchange(limits: ServingLimits) -> Exchange { exchanges.popLast() ?? Exchange(limits: limits) }

  func give(_ exchange: Exchange) {
    exchange.reset()
    exchange.hasPeerLeft = false
    exchange.peer = nil
    exchange.input.removeAll()
    guard exchanges.count < Self.exchangeLimit, exchange.out.capacity <= 4 << 20, exchange.input.capacity <= 256 << 10
    else { return }
    exchanges.append(exchange)
  }

  /// A buffer of at least `byteCount` bytes; the smallest that fits, or a new one. Nil without memory.
  func takeBody(_ byteCount: Int) -> ByteBuffer? {
    var best: Int?
    for (index, body) in bodies.enumerated() where body.capacity >= byteCount {
      if best == nil || body.capacity < bodies[best!].capacity { best = index }
    }
    guard let best, bodies[best].capacity <= max(byteCount * 4, 1 << 16) else {
      return ByteBuffer(ifAvailable: byteCount)
    }
    let body = bodies.remove(at: best)
    bodyBytes -= body.capacity
    body.removeAll()
    return body
  }

  func give(body: ByteBuffer) {
    guard bodyBytes + body.capacity <= Self.bodyByteLimit else { return }
    bodyBytes += body.capacity
    bodies.append(body)
  }
}
