import Inference
import Wire

/// Decodes `Transfer-Encoding: chunked`, whatever pieces it arrives in. RFC 9112 section 7.1.
struct ChunkedBody {
  private enum Place { case size, sizeSpace, sizeLineEnd, data, dataEnd, trailer }

  private var place = Place.size
  private var chunk = 0
  private var sizeDigits = 0
  /// Bytes of size lines and trailers, which carry no data and must not be endless.
  private var overhead = 0
  /// Bytes of the trailer line at hand, without its CR LF.
  private var trailerLine = 0
  private var sawReturn = false
  private var chunks = 0

  /// Chunks without end cost more than their bytes; below this many any size is fine.
  private static let chunkLimit = 65_536
  /// Beyond `chunkLimit`, chunks must hold this many bytes on average.
  private static let leastAverage = 256

  /// Takes what it can from `bytes` and appends the data to `out`.
  ///
  /// - Returns: Bytes taken, and whether the body is complete.
  /// - Throws: 400 for anything but the grammar, 413 over `limit` bytes of data, 431 for endless extensions or trailers.
  mutating func decode(
    _ bytes: UnsafeRawBufferPointer, into out: ByteBuffer, from start: Int, limits: ServingLimits
  ) throws(HostError) -> (taken: Int, isComplete: Bool) {
    var index = 0
    while index < bytes.count {
      if place == .data {
        let part = min(chunk, bytes.count - index)
        out.append(UnsafeRawBufferPointer(rebasing: bytes[index..<index + part]))
        index += part
        chunk -= part
        if chunk == 0 { place = .dataEnd }
        continue
      }
      let byte = bytes[index]
      index += 1
      // A chunk of one byte costs five bytes around it: allowed; a megabyte of extensions isn't.
      overhead += 1
      switch place {
      case .size:
        if let digit = Hexadecimal.value(byte) {
          sizeDigits += 1
          guard sizeDigits <= 15 else { throw HostError(.invalidRequest, "a chunk size is too long") }
          chunk = chunk << 4 | Int(digit)
          continue
        }
        guard sizeDigits > 0, byte == 13 || byte == UInt8(ascii: ";") || HTTPBytes.isSpace(byte) else {
          throw HostError(.invalidRequest, "a chunk size must be hexadecimal")
        }
        guard chunk <= limits.bodyBytes - (out.count - start) else {
          throw HostError(
            .payloadTooLarge, "the body exceeds the limit of \(limits.bodyBytes) bytes",
            details: ["limitBytes": .integer(limits.bodyBytes)])
        }
        chunks += 1
        guard chunks <= Self.chunkLimit || out.count - start >= chunks * Self.leastAverage else {
          throw HostError(.invalidRequest, "the body comes in too many small chunks")
        }
        place = HTTPBytes.isSpace(byte) ? .sizeSpace : .sizeLineEnd
        sawReturn = byte == 13
      case .sizeSpace:
        if HTTPBytes.isSpace(byte) { break }
        guard byte == 13 || byte == UInt8(ascii: ";") else {
          throw HostError(.invalidRequest, "a chunk size must end with its line or a semicolon")
        }
        place = .sizeLineEnd
        sawReturn = byte == 13
      case .sizeLineEnd:
        if sawReturn {
          guard byte == 10 else { throw HostError(.invalidRequest, "a chunk size line must end with CR LF") }
          place = chunk == 0 ? .trailer : .data
          sizeDigits = 0
          sawReturn = false
          if chunk > 0 { overhead = max(0, overhead - 64) }
        } else {
          guard byte == 13 || !HTTPBytes.isControl(byte) else {
            throw HostError(.invalidRequest, "a chunk extension has a control character")
          }
          sawReturn = byte == 13
        }
      case .dataEnd:
        if !sawReturn {
          guard byte == 13 else { throw HostError(.invalidRequest, "a chunk is longer than its size") }
          sawReturn = true
        } else {
          guard byte == 10 else { throw HostError(.invalidRequest, "a chunk must end with CR LF") }
          sawReturn = false
          place = .size
        }
      case .trailer:
        if sawReturn {
          guard byte == 10 else { throw HostError(.invalidRequest, "a trailer line must end with CR LF") }
          sawReturn = false
          if trailerLine == 0 { return (index, true) }
          trailerLine = 0
        } else if byte == 13 {
          sawReturn = true
        } else {
          guard !HTTPBytes.isControl(byte) else {
            throw HostError(.invalidRequest, "a trailer has a control character")
          }
          trailerLine += 1
        }
      case .data: break
      }
      guard overhead <= limits.headerBytes else {
        throw HostError(.headersTooLarge, "chunk extensions and trailers exceed \(limits.headerBytes) bytes")
      }
    }
    return (index, false)
  }
}

private enum Hexadecimal {
  @inline(__always)
  static func value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
