package import Inference

/// A named tensor in memory that the caller owns: row-major, without gaps, in the protocol's binary form.
package struct DenseTensor: Sendable, Equatable {
  package var name: String
  package var elementType: ElementType
  /// Elements per dimension, all >= 0; empty for a scalar.
  package var shape: [Int64]
  /// Little-endian elements; each BYTES element is its length (4 bytes, little-endian) and its bytes.
  package var bytes: [UInt8]

  package init(name: String, elementType: ElementType, shape: [Int64], bytes: [UInt8]) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
  }

  /// A numeric tensor from values whose memory is the tensor's: `Float` for f32, `Int64` for i64, and so on.
  package init<Value: BitwiseCopyable>(name: String, elementType: ElementType, shape: [Int64], values: [Value]) {
    precondition(elementType.byteCount == MemoryLayout<Value>.size, "\(Value.self) is no \(elementType)")
    self.init(name: name, elementType: elementType, shape: shape, bytes: values.withUnsafeBytes(Array.init))
  }

  /// A BYTES tensor.
  package init(name: String, shape: [Int64], elements: [[UInt8]]) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(elements.reduce(0) { $0 + $1.count + 4 })
    for element in elements {
      withUnsafeBytes(of: UInt32(truncatingIfNeeded: element.count).littleEndian) { bytes.append(contentsOf: $0) }
      bytes.append(contentsOf: element)
    }
    self.init(name: name, elementType: .utf8, shape: shape, bytes: bytes)
  }

  /// Elements by the shape; nil for shapes that can't be.
  package var elementCount: Int? { TensorSize.elementCount(shape) }

  /// The elements of a BYTES tensor.
  ///
  /// - Throws: `HostError` `.internalError` where a length leads past the end.
  package func byteElements() throws(HostError) -> [[UInt8]] {
    var elements: [[UInt8]] = []
    var position = 0
    while position < bytes.count {
      guard bytes.count - position >= 4 else {
        throw HostError(.internalError, "\(name): a BYTES length is cut off at byte \(position)")
      }
      let length = Int(load(UInt32.self, at: position))
      position += 4
      guard length <= bytes.count - position else {
        throw HostError(
          .internalError, "\(name): a BYTES element of \(length) bytes; \(bytes.count - position) are left")
      }
      elements.append(Array(bytes[position..<position + length]))
      position += length
    }
    return elements
  }

  /// Reads a value at a byte offset that need not be aligned.
  package func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int) -> Value {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
  }

  /// Checks that shape and bytes agree.
  package func validate() throws(HostError) {
    guard let count = elementCount else { throw HostError(.internalError, "\(name): shape \(shape) is impossible") }
    if elementType == .utf8 {
      let elements = try byteElements().count
      guard elements == count else {
        throw HostError(.internalError, "\(name): shape \(shape) has \(count) elements, the data \(elements)")
      }
    } else {
      guard let byteCount = TensorSize.byteCount(elementType, shape), byteCount == bytes.count else {
        throw HostError(
          .internalError,
          "\(name): \(elementType.protocolName) \(shape) has \(count) elements, the data \(bytes.count) bytes")
      }
    }
  }
}
