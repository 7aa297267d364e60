import Testing

@testable import Benchmarking

@Suite struct `The shape of an answer` {
  /// - Parameter count: Bytes that have come; nil for all.
  private func shape(_ text: String, first count: Int? = nil) -> AnswerShape {
    Array(text.utf8.prefix(count ?? .max)).withUnsafeBytes { AnswerShape($0) }
  }

  private let head = "HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-LENGTH: 5\r\n\r\n"

  @Test func `is known at the last byte and not before`() {
    let whole = head + "hello"
    for count in 1..<whole.utf8.count {
      guard case .partial = shape(whole, first: count) else {
        Issue.record("\(count) bytes pass for a whole answer")
        return
      }
    }
    #expect(shape(whole) == .whole(status: 200, headCount: head.utf8.count, count: whole.utf8.count))
    #expect(shape(head) == .partial(whole: whole.utf8.count))
  }

  @Test func `reads chunks`() {
    let head = "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n"
    let whole = head + "5\r\nhello\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n"
    for count in head.utf8.count..<whole.utf8.count {
      #expect(shape(whole, first: count) == .partial(whole: 0), "\(count) bytes")
    }
    #expect(shape(whole) == .whole(status: 404, headCount: head.utf8.count, count: whole.utf8.count))
  }

  @Test(arguments: [
    "SMTP 220 hello\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
  ])
  func `is broken where no end can be told`(text: String) {
    guard case .broken = shape(text) else {
      Issue.record("\(shape(text))")
      return
    }
  }
}
