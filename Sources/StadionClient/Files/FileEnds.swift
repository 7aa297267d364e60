import Inference

/// Both ends of a file as integers, for models that know content by its bytes (Google's magika).
///
/// Read at most `block` bytes from either end. The start loses leading white space and keeps its first `begin` bytes,
/// padded behind; the end loses trailing white space and keeps its last `end` bytes, padded in front.
package struct FileEnds: Sendable, Equatable {
  package var begin: Int
  package var end: Int
  package var strip: Bool
  /// Stands for a byte that isn't there; 256 where bytes are 0 to 255.
  package var padding: Int
  package var block: Int

  package init(begin: Int, end: Int, strip: Bool = true, padding: Int = 256, block: Int = 4096) {
    self.begin = begin
    self.end = end
    self.strip = strip
    self.padding = padding
    self.block = block
  }

  /// `begin` + `end` values.
  package func values(of file: [UInt8]) -> [Int] {
    var start = file.prefix(block)
    var tail = file.suffix(block)
    if strip {
      start = start.drop(while: Self.isWhiteSpace)
      while let last = tail.last, Self.isWhiteSpace(last) { tail.removeLast() }
    }
    let first = start.prefix(begin).map(Int.init)
    let last = tail.suffix(end).map(Int.init)
    return first + [Int](repeating: padding, count: begin - first.count)
      + [Int](repeating: padding, count: end - last.count) + last
  }

  /// What Python's bytes.strip takes away: space, \t, \n, \r, \v, \f.
  private static func isWhiteSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

  /// One row for an integer input of [N, begin + end].
  func tensor(of file: [UInt8], for spec: TensorSpec) throws(HostError) -> DenseTensor {
    let values = values(of: file)
    guard let shape = ShapeFit.match([1, Int64(values.count)], spec.shape) else {
      throw HostError(
        .invalidRequest, "\(spec.name) has shape \(spec.shape), its file-ends hint makes \([1, values.count])")
    }
    func tensor<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) throws(HostError) -> DenseTensor {
      guard Value(exactly: padding) != nil, Value.max >= 255 else {
        throw HostError(
          .invalidRequest,
          "\(spec.name): bytes and the padding \(padding) don't fit \(spec.elementType.protocolName)")
      }
      return DenseTensor(
        name: spec.name, elementType: spec.elementType, shape: shape, values: values.map { Value($0) })
    }
    switch spec.elementType {
    case .i16: return try tensor(Int16.self)
    case .i32: return try tensor(Int32.self)
    case .i64: return try tensor(Int64.self)
    case .u8: return try tensor(UInt8.self)
    case .u16: return try tensor(UInt16.self)
    case .u32: return try tensor(UInt32.self)
    case .u64: return try tensor(UInt64.self)
    default:
      throw HostError(
        .invalidRequest, "\(spec.name) wants \(spec.elementType.protocolName); file-ends makes integers")
    }
  }
}
