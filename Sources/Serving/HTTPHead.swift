import Glibc
import Inference

package enum HTTPMethod: UInt8, Sendable { case get, head, post, put, delete, options, patch, other }

/// A coding of a body.
package enum ContentCoding: UInt8, Sendable { case identity, gzip, deflate, unknown }

/// One request's line and header section, as places in the connection's buffer. Nothing is copied.
package struct HTTPHead {
  /// A header field: offsets from the start of the buffer.
  struct Field {
    var name: Int32
    var nameCount: Int32
    var value: Int32
    var valueCount: Int32
  }

  package private(set) var method = HTTPMethod.get
  package private(set) var keepsAlive = true
  package private(set) var isHTTP10 = false
  /// Nil without a `Content-Length`.
  package private(set) var contentLength: Int?
  package private(set) var isChunked = false
  package private(set) var expectsContinue = false
  package private(set) var contentCoding = ContentCoding.identity
  /// The coding that the peer likes best for the answer.
  package private(set) var acceptedCoding = ContentCoding.identity
  /// Index of the `X-Request-Id`; below 0 if there is none, or the fields haven't been read.
  private var requestIDField = -1
  /// Index of the `Authorization` or `X-API-Key`; below 0 if there is neither.
  private var credentialField = -1
  /// Bytes of line and header section, the empty line included.
  package private(set) var byteCount = 0

  private var base: UnsafePointer<UInt8>
  private var path = 0..<0
  private var query = 0..<0
  private var requestLine = 0..<0
  /// Start of the line to be read next.
  private var cursor = 0
  /// No line feed stands between `cursor` and here.
  private var searched = 0
  private let fields: UnsafeMutablePointer<Field>
  private var fieldCount = 0

  init(fields: UnsafeMutablePointer<Field>) {
    self.fields = fields
    base = UnsafePointer(bitPattern: 1)!
  }

  /// Raw bytes of the path: percent signs undecoded, without the query.
  package var pathBytes: UnsafeRawBufferPointer { slice(path.lowerBound, path.count) }

  /// Whether the path begins so, also of a head that can't be read to its end.
  func isBelow(_ prefix: StaticString) -> Bool {
    var start = path.lowerBound
    var end = path.upperBound
    if path.isEmpty, let space = slice(requestLine.lowerBound, requestLine.count).firstIndex(of: 32) {
      start = requestLine.lowerBound + space + 1
      end = requestLine.upperBound
    }
    let count = prefix.utf8CodeUnitCount
    return end - start >= count && memcmp(base + start, prefix.utf8Start, count) == 0
  }

  /// Raw bytes of the query, without its question mark.
  package var queryBytes: UnsafeRawBufferPointer { slice(query.lowerBound, query.count) }

  var bringsRequestID: Bool { requestIDField >= 0 }

  /// The `X-Request-Id`, also of a head that can't be read to its end.
  var requestID: UnsafeRawBufferPointer? {
    guard requestIDField >= 0 else { return value(of: "x-request-id") }
    return slice(Int(fields[requestIDField].value), Int(fields[requestIDField].valueCount))
  }

  /// Value of the `Authorization` or the `X-API-Key`; nil without either.
  package var credential: UnsafeRawBufferPointer? {
    guard credentialField >= 0 else { return nil }
    return slice(Int(fields[credentialField].value), Int(fields[credentialField].valueCount))
  }

  package var hasBodyFraming: Bool { contentLength != nil || isChunked }

  /// A field's value without white space around it; nil if absent, the first if there are several.
  package func value(of name: StaticString) -> UnsafeRawBufferPointer? {
    for index in 0..<fieldCount where matches(fields[index], name) {
      return slice(Int(fields[index].value), Int(fields[index].valueCount))
    }
    return nil
  }

  package func count(of name: StaticString) -> Int {
    (0..<fieldCount).reduce(0) { matches(fields[$1], name) ? $0 + 1 : $0 }
  }

  private func slice(_ start: Int, _ count: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base + start, count: count)
  }

  @inline(__always)
  private func matches(_ field: Field, _ name: StaticString) -> Bool {
    field.nameCount == name.utf8CodeUnitCount
      && strncasecmp(
        UnsafeRawPointer(base + Int(field.name)).assumingMemoryBound(to: CChar.self),
        UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), Int(field.nameCount)) == 0
  }

  // MARK: Parsing

  /// Forgets the last request; the next `parse` starts at a new head.
  mutating func begin() {
    // What can't be read is refused with a body, whatever the request before it was.
    method = .get
    isHTTP10 = false
    keepsAlive = true
    contentCoding = .identity
    acceptedCoding = .identity
    requestIDField = -1
    credentialField = -1
    fieldCount = 0
    path = 0..<0
    query = 0..<0
    requestLine = 0..<0
    cursor = 0
    searched = 0
  }

  /// Follows the bytes of a head that has been read to where its buffer has moved.
  mutating func rebase(_ start: UnsafeRawPointer) { base = start.assumingMemoryBound(to: UInt8.self) }

  /// Reads a head from the front of `bytes`, going on where the last call found too little.
  ///
  /// - Returns: False when it hasn't all arrived.
  /// - Throws: 400, 414, 431, 501 or 505. Whatever two readers could understand differently is refused: bare line feeds,
  ///   white space before a colon, folded lines, two lengths, a length and a transfer coding.
  mutating func parse(_ bytes: UnsafeRawBufferPointer, limits: ServingLimits) throws(HostError) -> Bool {
    guard bytes.count >= 2 else { return false }
    base = bytes.bindMemory(to: UInt8.self).baseAddress!
    // RFC 9112 section 2.2: an empty line in front of a request is ignored.
    if cursor == 0 && base[0] == 13 && base[1] == 10 { cursor = 2 }
    while let end = try line(in: bytes.count) {
      let start = cursor
      cursor = end + 2
      if requestLine.isEmpty {
        if end - start > limits.requestLineBytes { break }
        requestLine = start..<max(end, start + 1)
      } else if end == start {
        byteCount = cursor
        if byteCount > limits.headerBytes { break }
        try readRequestLine(from: requestLine.lowerBound, to: requestLine.upperBound)
        try readFields()
        return true
      } else {
        guard fieldCount < limits.headerFields else { throw tooLarge(limits) }
        try field(from: start, to: end)
      }
    }
    if requestLine.isEmpty && bytes.count > limits.requestLineBytes {
      throw HostError(.targetTooLong, "the request line exceeds \(limits.requestLineBytes) bytes")
    }
    if bytes.count > limits.headerBytes { throw tooLarge(limits) }
    return false
  }

  private func tooLarge(_ limits: ServingLimits) -> HostError {
    HostError(
      .headersTooLarge, "the header section exceeds \(limits.headerBytes) bytes or \(limits.headerFields) fields")
  }

  /// End of the line at the cursor: the place of its CRLF. Nil if it isn't there yet.
  @inline(__always)
  private mutating func line(in count: Int) throws(HostError) -> Int? {
    let from = max(cursor, searched)
    guard from < count, let found = memchr(base + from, 10, count - from) else {
      searched = count
      return nil
    }
    let feed = found.assumingMemoryBound(to: UInt8.self) - UnsafeMutablePointer(mutating: base)
    guard feed > cursor, base[feed - 1] == 13 else { throw HostError(.invalidRequest, "a line must end with CR LF") }
    return feed - 1
  }

  private mutating func readRequestLine(from start: Int, to end: Int) throws(HostError) {
    guard let firstSpace = memchr(base + start, 32, end - start) else {
      throw HostError(.invalidRequest, "the request line needs a method, a target and a version")
    }
    let methodEnd = firstSpace.assumingMemoryBound(to: UInt8.self) - UnsafeMutablePointer(mutating: base)
    // " HTTP/1.1" is nine bytes.
    let versionStart = end - 9
    guard versionStart > methodEnd, memcmp(base + versionStart, " HTTP/", 6) == 0, base[end - 2] == UInt8(ascii: "."),
      HTTPBytes.isDigit(base[end - 1]), HTTPBytes.isDigit(base[end - 3])
    else { throw HostError(.invalidRequest, "the request line must end with an HTTP version such as HTTP/1.1") }
    guard base[end - 3] == UInt8(ascii: "1") else {
      throw HostError(.httpVersionNotSupported, "only HTTP/1.0 and HTTP/1.1 are spoken")
    }
    isHTTP10 = base[end - 1] == UInt8(ascii: "0")
    method = try Self.method(slice(start, methodEnd - start))
    try target(from: methodEnd + 1, to: versionStart)
  }

  private static func method(_ name: UnsafeRawBufferPointer) throws(HostError) -> HTTPMethod {
    func isNamed(_ text: StaticString) -> Bool {
      name.count == text.utf8CodeUnitCount && memcmp(name.baseAddress!, text.utf8Start, name.count) == 0
    }
    if isNamed("POST") { return .post }
    if isNamed("GET") { return .get }
    if isNamed("HEAD") { return .head }
    if isNamed("PUT") { return .put }
    if isNamed("DELETE") { return .delete }
    if isNamed("OPTIONS") { return .options }
    if isNamed("PATCH") { return .patch }
    guard !name.isEmpty, name.allSatisfy({ HTTPBytes.isToken($0) }) else {
      throw HostError(.invalidRequest, "the method is not a token")
    }
    return .other
  }

  private mutating func target(from start: Int, to end: Int) throws(HostError) {
    var first = start
    for index in start..<end where base[index] <= 32 || base[index] >= 127 {
      throw HostError(.invalidRequest, "the request target has a byte that must be percent-encoded")
    }
    guard first < end else { throw HostError(.invalidRequest, "the request target is missing") }
    if base[first] != UInt8(ascii: "/") {
      // Absolute form, as a proxy would send it; over a Unix socket any host will do.
      guard end - first > 7,
        strncasecmp(UnsafeRawPointer(base + first).assumingMemoryBound(to: CChar.self), "http://", 7) == 0
      else { throw HostError(.invalidRequest, "the request target must be a path") }
      first += 7
      while first < end && base[first] != UInt8(ascii: "/") { first += 1 }
      guard first < end else { throw HostError(.invalidRequest, "the request target must have a path") }
    }
    var last = first
    while last < end && base[last] != UInt8(ascii: "?") && base[last] != UInt8(ascii: "#") { last += 1 }
    path = first..<last
    query = last < end && base[last] == UInt8(ascii: "?") ? last + 1..<end : last..<last
  }

  private mutating func field(from start: Int, to end: Int) throws(HostError) {
    var colon = start
    while colon < end && HTTPBytes.isToken(base[colon]) { colon += 1 }
    guard colon < end, base[colon] == UInt8(ascii: ":"), colon > start else {
      throw HostError(.invalidRequest, "a header line must be a name, a colon and a value")
    }
    var first = colon + 1
    var last = end
    while first < last && HTTPBytes.isSpace(base[first]) { first += 1 }
    while last > first && HTTPBytes.isSpace(base[last - 1]) { last -= 1 }
    for index in first..<last where HTTPBytes.isControl(base[index]) {
      throw HostError(.invalidRequest, "a header value has a control character")
    }
    fields[fieldCount] = Field(
      name: Int32(start), nameCount: Int32(colon - start), value: Int32(first), valueCount: Int32(last - first))
    fieldCount += 1
  }

  /// Takes from the fields what framing needs.
  private mutating func readFields() throws(HostError) {
    contentLength = nil
    isChunked = false
    expectsContinue = false
    contentCoding = .identity
    acceptedCoding = .identity
    var closes = false
    var keeps = !isHTTP10
    var hosts = 0
    for index in 0..<fieldCount {
      let field = fields[index]
      let value = slice(Int(field.value), Int(field.valueCount))
      switch field.nameCount {
      case 4 where matches(field, "host"): hosts += 1
      case 6 where matches(field, "expect"):
        guard HTTPBytes.equal(value, "100-continue") else {
          throw HostError(.expectationFailed, "only 100-continue can be expected")
        }
        expectsContinue = !isHTTP10
      case 9 where matches(field, "x-api-key"): try takeCredential(index)
      case 10 where matches(field, "connection"):
        if HTTPBytes.list(value, contains: "close") { closes = true }
        if isHTTP10 && HTTPBytes.list(value, contains: "keep-alive") { keeps = true }
      // The letter first: many requests have a Content-Type, which is as long.
      case 12 where base[Int(field.name)] | 0x20 == UInt8(ascii: "x") && matches(field, "x-request-id"):
        if requestIDField < 0 { requestIDField = index }
      case 13 where matches(field, "authorization"): try takeCredential(index)
      case 14 where matches(field, "content-length"):
        guard let length = HTTPBytes.decimal(value), contentLength == nil || contentLength == length else {
          throw HostError(.invalidRequest, "Content-Length must be one decimal number")
        }
        contentLength = length
      case 15 where matches(field, "accept-encoding"):
        if acceptedCoding == .identity { acceptedCoding = HTTPBytes.preferredCoding(value) }
      case 16 where matches(field, "content-encoding"):
        // Two codings, one over the other, are none that is known.
        let coding = HTTPBytes.coding(value)
        if coding != .identity { contentCoding = contentCoding == .identity ? coding : .unknown }
      case 17 where matches(field, "transfer-encoding"):
        guard !isHTTP10 else { throw HostError(.invalidRequest, "HTTP/1.0 has no Transfer-Encoding") }
        guard !isChunked else { throw HostError(.invalidRequest, "Transfer-Encoding appears twice") }
        guard HTTPBytes.equal(value, "chunked") else {
          throw HostError(.notOffered, "the only transfer coding is chunked")
        }
        isChunked = true
      default: break
      }
    }
    keepsAlive = keeps && !closes
    if isChunked && contentLength != nil {
      throw HostError(.invalidRequest, "Content-Length and Transfer-Encoding exclude each other")
    }
    guard hosts == 1 || (hosts == 0 && isHTTP10) else {
      throw HostError(.invalidRequest, "exactly one Host header is needed")
    }
  }
  private mutating func takeCredential(_ index: Int) throws(HostError) {
    guard credentialField < 0 else {
      throw HostError(.invalidRequest, "one Authorization or X-API-Key is enough, and two are one too many")
    }
    credentialField = index
  }
}
