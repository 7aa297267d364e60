import Inference
import Wire

@testable import Serving

/// What a head says, or the status that refuses it: comparable, and free of the buffer it was read from.
enum Read: Equatable {
  struct Facts: Equatable {
    var method = HTTPMethod.get
    var path = ""
    var query = ""
    var keepsAlive = true
    var isHTTP10 = false
    var contentLength: Int?
    var isChunked = false
    var expectsContinue = false
    var contentCoding = ContentCoding.identity
    var acceptedCoding = ContentCoding.identity
    var byteCount = 0
  }

  case head(Facts)
  case incomplete
  case refused(Int)

  var facts: Facts? {
    guard case .head(let facts) = self else { return nil }
    return facts
  }
}

/// Parses `text` in the pieces that end at `cuts`, each time from a buffer of its own, as a growing buffer moves.
func read(_ text: String, cuts: [Int] = [], limits: ServingLimits = ServingLimits()) -> Read {
  let bytes = Array(text.utf8)
  let fields = UnsafeMutablePointer<HTTPHead.Field>.allocate(capacity: limits.headerFields)
  defer { fields.deallocate() }
  var head = HTTPHead(fields: fields)
  head.begin()
  for cut in cuts + [bytes.count] {
    let piece = ByteBuffer(capacity: max(cut, 1))
    bytes.withUnsafeBytes { piece.append(UnsafeRawBufferPointer(rebasing: $0[..<cut])) }
    do throws(HostError) {
      guard try head.parse(piece.bytes, limits: limits) else { continue }
      return .head(
        Read.Facts(
          method: head.method, path: String(decoding: head.pathBytes, as: UTF8.self),
          query: String(decoding: head.queryBytes, as: UTF8.self), keepsAlive: head.keepsAlive, isHTTP10: head.isHTTP10,
          contentLength: head.contentLength, isChunked: head.isChunked, expectsContinue: head.expectsContinue,
          contentCoding: head.contentCoding, acceptedCoding: head.acceptedCoding, byteCount: head.byteCount))
    } catch {
      return .refused(error.code.httpStatus)
    }
  }
  return .incomplete
}

/// A request to `/` with these header lines, `Host` among them.
func head(_ lines: String..., version: String = "1.1") -> String {
  "GET / HTTP/\(version)\r\nHost: h\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n"
}
