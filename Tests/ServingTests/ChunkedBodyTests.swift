import Inference
import Testing
import Wire

@testable import Serving

@Suite struct `Reading a chunked body` {
  enum Outcome: Equatable {
    /// Data, and bytes that are left behind the body.
    case body(String, rest: Int)
    case incomplete
    case refused(Int)
  }

  private func decode(_ text: String, cuts: [Int] = [], limits: ServingLimits = ServingLimits()) -> Outcome {
    let bytes = Array(text.utf8)
    let out = ByteBuffer()
    var decoder = ChunkedBody()
    var position = 0
    for cut in cuts + [bytes.count] {
      do {
        let (taken, isComplete) = try bytes.withUnsafeBytes { all in
          try decoder.decode(UnsafeRawBufferPointer(rebasing: all[position..<cut]), into: out, from: 0, limits: limits)
        }
        position += taken
        if isComplete { return .body(out.string, rest: bytes.count - position) }
        // Without an end, all there is has been used.
        if position != cut { return .refused(0) }
      } catch {
        return .refused((error as? HostError)?.code.httpStatus ?? 0)
      }
    }
    return .incomplete
  }

  @Test(arguments: [
    ("0\r\n\r\n", "", 0), ("5\r\nhello\r\n0\r\n\r\n", "hello", 0), ("5\r\nhello\r\n0\r\n\r\nGET", "hello", 3),
    ("A\r\n0123456789\r\n1\r\n!\r\n000\r\n\r\n", "0123456789!", 0), ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
    ("5;a=b;c=\"d;e\"\r\nhello\r\n0;z\r\n\r\n", "hello", 0), ("5 ;a\r\nhello\r\n0\r\n\r\n", "hello", 0),
    ("5 \r\nhello\r\n0\r\n\r\n", "hello", 0), ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", 0),
    ("1\r\nx\r\n0\r\nDigest: 1\r\nOther: 2\r\n\r\nX", "x", 1), ("00000005\r\nhello\r\n0\r\n\r\n", "hello", 0),
  ])
  func `gives the data, whatever pieces it comes in`(text: String, data: String, rest: Int) {
    #expect(decode(text) == .body(data, rest: rest))
    let count = text.utf8.count
    for cut in 0...count { #expect(decode(text, cuts: [cut]) == .body(data, rest: rest), "cut at \(cut)") }
    #expect(decode(text, cuts: Array(0..<count)) == .body(data, rest: rest))
    for cut in 0..<(count - rest) {
      #expect(decode(String(decoding: text.utf8.prefix(cut), as: UTF8.self)) == .incomplete, "up to \(cut)")
    }
  }

  @Test(arguments: [
    "\r\n", "x\r\n", ";a\r\n", " 5\r\nhello\r\n", "-5\r\n", "+5\r\n", "0x5\r\nhello\r\n", "5\nhello\r\n", "5\r\r\n",
    "5\rhello", "5\r\nhello!\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5;a\nb\r\nhello\r\n",
    "5;a\u{0}\r\nhello\r\n", "5;a\rb\r\nhello\r\n", "5 5\r\nhello\r\n", "5 x\r\nhello\r\n", "5\t6;a\r\nhello\r\n",
    "0\r\nX: a\n\r\n", "0\r\nX: \u{1}\r\n\r\n", "0\r\n\n", "0\r\n\rX", "0\r\nX\rY\r\n\r\n",
    "FFFFFFFFFFFFFFFF\r\n", "8000000000000000\r\n", "10000000000000000\r\n", "0000000000000000\r\n",
    "99999999999999999999999999\r\n",
  ])
  func `refuses anything but the grammar`(text: String) {
    #expect(decode(text) == .refused(400))
    #expect(decode(text, cuts: Array(0..<text.utf8.count)) == .refused(400))
  }

  @Test func `refuses a chunk over the limit before its data comes`() {
    var limits = ServingLimits()
    limits.bodyBytes = 8
    #expect(decode("9\r\n", limits: limits) == .refused(413))
    #expect(decode("8\r\n12345678\r\n0\r\n\r\n", limits: limits) == .body("12345678", rest: 0))
    #expect(decode("5\r\n12345\r\n4\r\n", limits: limits) == .refused(413))
    #expect(decode("7FFFFFFFFFFFFFF\r\n", limits: limits) == .refused(413))
  }

  @Test func `refuses endless extensions and trailers`() {
    var limits = ServingLimits()
    limits.headerBytes = 300
    let long = String(repeating: "a", count: 400)
    #expect(decode("5;\(long)", limits: limits) == .refused(431))
    #expect(decode("0\r\nX: \(long)", limits: limits) == .refused(431))
    #expect(decode("0\r\n" + String(repeating: "X: a\r\n", count: 100), limits: limits) == .refused(431))
    let many = String(repeating: "1\r\nx\r\n", count: 1000)
    #expect(decode(many + "0\r\n\r\n", limits: limits) == .body(String(repeating: "x", count: 1000), rest: 0))
  }
}
