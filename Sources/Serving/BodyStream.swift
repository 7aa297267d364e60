package import Wire

/// A body that is written part by part, because all of it would take long or much memory. Runs on the loop.
package protocol BodyStream: AnyObject {
  /// Appends the next part to `out`; some 100 KB, so that sockets have their turn after some ten microseconds.
  ///
  /// - Returns: False if that was the last.
  func next(into out: ByteBuffer) -> Bool
}

extension Connection {
  /// Writes a body behind its head, in chunks unless the peer knows none.
  func send(_ stream: any BodyStream, _ exchange: Exchange) async throws {
    let out = exchange.out
    let isChunked = !exchange.head.isHTTP10
    var goesOn = true
    while goesOn {
      out.count = 0
      // In front of the part, where its size is put.
      if isChunked { out.append("00000000\r\n") }
      let start = out.count
      goesOn = stream.next(into: out)
      if isChunked { frame(out, byteCount: out.count - start, isLast: !goesOn) }
      try await sendAll(out.base, out.count)
      await loop.pause()
    }
  }

  /// RFC 9112 section 7.1. Zeros in front of a size are allowed.
  private func frame(_ out: ByteBuffer, byteCount: Int, isLast: Bool) {
    if byteCount == 0 {
      out.removeAll()
    } else {
      var rest = byteCount
      for place in (0..<8).reversed() {
        let digit = UInt8(truncatingIfNeeded: rest & 15)
        out.base.storeBytes(of: digit + (digit < 10 ? 48 : 87), toByteOffset: place, as: UInt8.self)
        rest >>= 4
      }
      out.append("\r\n")
    }
    if isLast { out.append("0\r\n\r\n") }
  }
}
