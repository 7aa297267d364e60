/// Reads the fields of one protobuf message. What isn't well-formed ends the reading; nothing is read past the end.
struct ProtobufReader {
  enum Value {
    case number(UInt64)
    case bytes(UnsafeRawBufferPointer)
    /// Of 4 or 8 bytes; nothing that we read has them.
    case fixed
  }

  private let bytes: UnsafeRawBufferPointer
  private var offset = 0
  /// What was read so far can't be trusted to be all.
  private(set) var isBroken = false

  /// - Parameter bytes: Not copied: they outlive the reader and the values that it gives.
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The next field; nil at the end, and where the bytes are no message.
  mutating func next() -> (field: Int, value: Value)? {
    guard offset < bytes.count, !isBroken else { return nil }
    guard let tag = number(), tag >> 3 > 0, tag >> 3 < 1 << 29, let value = value(ofType: tag & 7) else {
      isBroken = true
      return nil
    }
    return (Int(tag >> 3), value)
  }

  private mutating func value(ofType type: UInt64) -> Value? {
    switch type {
    case 0: return number().map { .number($0) }
    case 1: return skip(8)
    case 2:
      // Compared before anything is added: a hostile length can't overflow.
      guard let length = number(), length <= UInt64(bytes.count - offset) else { return nil }
      defer { offset += Int(length) }
      return .bytes(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(length)]))
    case 5: return skip(4)
    default: return nil  // groups, which proto3 doesn't have
    }
  }

  private mutating func skip(_ count: Int) -> Value? {
    guard count <= bytes.count - offset else { return nil }
    offset += count
    return .fixed
  }

  /// At most 10 bytes of 7 bits; of the tenth only the lowest bit counts.
  private mutating func number() -> UInt64? {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while offset < bytes.count, shift < 70 {
      let byte = bytes[offset]
      offset += 1
      if shift == 63, byte > 1 { return nil }
      result |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return result }
      shift += 7
    }
    return nil
  }
}

extension ProtobufReader.Value {
  /// Of a field that holds text; bytes that aren't UTF-8 become U+FFFD.
  var text: String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

  var bytes: UnsafeRawBufferPointer? {
    if case .bytes(let bytes) = self { return bytes }
    return nil
  }

  var number: UInt64? {
    if case .number(let number) = self { return number }
    return nil
  }
}

/// The fields of a message, in order.
///
/// - Throws: `ProtobufError` for what is no message.
func forEachField(
  of bytes: UnsafeRawBufferPointer, _ body: (Int, ProtobufReader.Value) throws(ProtobufError) -> Void
) throws(ProtobufError) {
  var reader = ProtobufReader(bytes)
  while let (field, value) = reader.next() { try body(field, value) }
  if reader.isBroken { throw ProtobufError() }
}

struct ProtobufError: Error {}
