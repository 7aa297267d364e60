import CNumbers

extension ByteBuffer {
  /// Appends `v,v,v`, without brackets: the fewest digits that read back as the same values.
  ///
  /// - Parameters:
  ///   - source: `count` elements of `format.byteCount` bytes; need not be aligned.
  package func append(numbers source: UnsafeRawPointer, count elements: Int, as format: NumberFormat) {
    let chunk = 4096  // bounds what is reserved for the widest numbers when most are short
    var done = 0
    while done < elements {
      let now = min(chunk, elements - done)
      reserve(now * format.printedRoom + 1)
      if done > 0 { append(UInt8(ascii: ",")) }
      let target = (base + count).assumingMemoryBound(to: CChar.self)
      count += format.print(source + done * format.byteCount, now, target)
      done += now
    }
  }
}
