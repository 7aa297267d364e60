/// Tensors of text in memory: per element a 32-bit little-endian byte count, then the bytes.
package enum TensorText {
  /// Elements that stand in `bytes`; nil if the last one is cut off.
  package static func elementCount(in bytes: UnsafeRawBufferPointer) -> Int? {
    var position = 0
    var count = 0
    while position < bytes.count {
      guard bytes.count - position >= 4 else { return nil }
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
      guard bytes.count - position - 4 >= length else { return nil }
      position += 4 + length
      count += 1
    }
    return count
  }
}
