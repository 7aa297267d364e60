import CZlib
import Inference
import Wire

/// gzip and deflate bodies, by zlib.
enum Compression {
  /// zlib's number for a window of 32 KiB; +16 means a gzip wrapper, +32 that either wrapper is recognised.
  private static let windowBits: CInt = 15

  /// Decodes `source` into `out`.
  ///
  /// - Throws: 413 beyond `limit` bytes, 400 for corrupt, truncated or raw-deflate data, and for text behind it.
  static func inflate(
    _ source: UnsafeRawBufferPointer, into out: ByteBuffer, at start: Int, limit: Int
  ) throws(HostError) {
    var stream = z_stream()
    guard inflateInit2_(&stream, windowBits + 32, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw HostError(.overloaded, "no memory to decompress the body")
    }
    defer { inflateEnd(&stream) }
    out.count = start
    stream.next_in = UnsafeMutablePointer(mutating: source.bindMemory(to: UInt8.self).baseAddress)
    stream.avail_in = UInt32(source.count)
    while true {
      let room = min(max(out.freeCount, 64 * 1024), limit - (out.count - start) + 1)
      out.reserve(room)
      stream.next_out = (out.base + out.count).assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(min(room, Int(UInt32.max)))
      let before = Int(stream.avail_out)
      let code = CZlib.inflate(&stream, Z_NO_FLUSH)
      out.count += before - Int(stream.avail_out)
      if out.count - start > limit {
        throw HostError(
          .payloadTooLarge, "the decompressed body exceeds the limit of \(limit) bytes",
          details: ["limitBytes": .integer(limit)])
      }
      if code == Z_STREAM_END { break }
      let isStuck = code == Z_BUF_ERROR && stream.avail_in == 0
      guard code == Z_OK, !isStuck, stream.avail_in > 0 || stream.avail_out == 0 else {
        throw HostError(.invalidRequest, "the compressed body is corrupt or cut short")
      }
    }
    guard stream.avail_in == 0 else { throw HostError(.invalidRequest, "bytes follow the compressed body") }
  }

  /// Encodes all of `parts` into `out`; false if zlib has no memory.
  static func deflate(_ parts: [UnsafeRawBufferPointer], coding: ContentCoding, into out: ByteBuffer) -> Bool {
    var stream = z_stream()
    let bits = coding == .gzip ? windowBits + 16 : windowBits
    // Level 1: on the way to a process on the same machine, time is dearer than the last bytes. 8: zlib's usual memory.
    guard
      deflateInit2_(
        &stream, 1, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
        == Z_OK
    else { return false }
    defer { deflateEnd(&stream) }
    for (index, part) in parts.enumerated() {
      stream.next_in = UnsafeMutablePointer(mutating: part.bindMemory(to: UInt8.self).baseAddress)
      stream.avail_in = UInt32(part.count)
      let flush = index == parts.count - 1 ? Z_FINISH : Z_NO_FLUSH
      repeat {
        out.reserve(16 * 1024)
        let room = min(out.freeCount, 1 << 30)
        stream.next_out = (out.base + out.count).assumingMemoryBound(to: UInt8.self)
        stream.avail_out = UInt32(room)
        _ = CZlib.deflate(&stream, flush)
        out.count += room - Int(stream.avail_out)
      } while stream.avail_out == 0
    }
    return true
  }
}
