import Inference
import Wire

/// One answer of a server, read to its end.
package struct HTTPResponse: Sendable {
  package let status: Int
  /// Names in lower case, in the order received.
  package let headers: [(name: String, value: String)]
  package let body: [UInt8]
  /// Whether the connection may carry another request.
  package let keepsConnection: Bool

  /// The first header of that name, given in lower case.
  package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// Reads responses from bytes that `fill` appends to `buffer`; false from it means that the server has closed.
struct HTTPResponseReader {
  let buffer: ByteBuffer
  let maxBodyBytes: Int
  let fill: () throws(HostError) -> Bool

  private static let maxHeadBytes = 64 * 1024  // what the host itself accepts in a request

  /// The final response; interim ones (1xx) are skipped.
  func read(hasBody: Bool = true) throws(HostError) -> HTTPResponse {
    while true {
      let head = try head()
      if (100..<200).contains(head.status) { continue }
      let isBodyless = !hasBody || head.status == 204 || head.status == 304
      let (body, isDelimited) = isBodyless ? ([], true) : try body(head)
      let connection = head.value("connection")?.lowercased() ?? ""
      let persists = head.isVersion11 ? !connection.contains("close") : connection.contains("keep-alive")
      // Bytes behind the response were never asked for: nothing that follows could be trusted.
      return HTTPResponse(
        status: head.status, headers: head.fields, body: body,
        keepsConnection: persists && isDelimited && buffer.count == 0)
    }
  }

  private struct Head {
    var isVersion11: Bool
    var status: Int
    var fields: [(name: String, value: String)]

    func value(_ name: String) -> String? { fields.first { $0.name == name }?.value }
  }

  private func broken(_ what: String) -> HostError {
    HostError(.internalError, "the server's answer is broken: \(what)")
  }

  private func more() throws(HostError) {
    guard try fill() else { throw HostError(.overloaded, "the server closed the connection before its answer ended") }
  }

  private func take(_ byteCount: Int) -> [UInt8] {
    let taken = Array(buffer.bytes.prefix(byteCount))
    buffer.removeFirst(byteCount)
    return taken
  }

  /// A line without its end.
  private func line() throws(HostError) -> String {
    var searched = 0
    while true {
      if let end = buffer.bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        var bytes = take(end + 1).dropLast()
        if bytes.last == UInt8(ascii: "\r") { bytes = bytes.dropLast() }
        return String(decoding: bytes, as: UTF8.self)
      }
      searched = buffer.count
      guard searched < Self.maxHeadBytes else { throw broken("a line exceeds \(Self.maxHeadBytes) bytes") }
      try more()
    }
  }

  private func head() throws(HostError) -> Head {
    let start = try line()
    let words = start.split(separator: " ", maxSplits: 2)
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3, let status = Int(words[1]),
      (100...599).contains(status)
    else { throw broken("no HTTP/1 status line") }
    var head = Head(isVersion11: words[0] != "HTTP/1.0", status: status, fields: [])
    var byteCount = 0
    while true {
      let text = try line()
      if text.isEmpty { return head }
      byteCount += text.utf8.count
      guard byteCount <= Self.maxHeadBytes else { throw broken("its head exceeds \(Self.maxHeadBytes) bytes") }
      guard let colon = text.firstIndex(of: ":") else { throw broken("a header without a colon") }
      head.fields.append((text[..<colon].lowercased(), Self.trimmed(text[text.index(after: colon)...])))
    }
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text
    while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return String(text)
  }

  private func body(_ head: Head) throws(HostError) -> (bytes: [UInt8], isDelimited: Bool) {
    if let coding = head.value("transfer-encoding") {
      guard coding.lowercased() == "chunked" else { throw broken("transfer coding \(coding)") }
      return (try chunks(), true)
    }
    if let text = head.value("content-length") {
      guard text.utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(text) else {
        throw broken("Content-Length \(text)")
      }
      try checkSize(length)
      while buffer.count < length { try more() }
      return (take(length), true)
    }
    while try fill() { try checkSize(buffer.count) }
    return (take(buffer.count), false)
  }

  private func checkSize(_ byteCount: Int) throws(HostError) {
    guard byteCount <= maxBodyBytes else {
      throw HostError(.invalidRequest, "the answer has \(byteCount) bytes or more; the limit is \(maxBodyBytes)")
    }
  }

  private func chunks() throws(HostError) -> [UInt8] {
    var body: [UInt8] = []
    while true {
      let text = try line().split(separator: ";", omittingEmptySubsequences: false)[0]
      guard let length = Int(Self.trimmed(text), radix: 16), length >= 0 else { throw broken("chunk size \(text)") }
      if length == 0 {
        while try !line().isEmpty {}  // trailers
        return body
      }
      try checkSize(length)
      try checkSize(body.count + length)
      while buffer.count < length { try more() }
      body += take(length)
      guard try line().isEmpty else { throw broken("a chunk longer than its size") }
    }
  }
}
