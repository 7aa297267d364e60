import CStadionRunner

/// What one element of a tensor is. Raw values are those of `stadion_dtype`, names those of the manifest.
public enum ElementType: Int32, CaseIterable, Sendable {
  case f32 = 1, f16, bf16, f64, i8, i16, i32, i64, u8, u16, u32, u64, bool, utf8

  /// Bytes of one element; nil for `utf8`, whose elements differ in size.
  public var byteCount: Int? {
    switch self {
    case .bool, .i8, .u8: 1
    case .f16, .bf16, .i16, .u16: 2
    case .f32, .i32, .u32: 4
    case .f64, .i64, .u64: 8
    case .utf8: nil
    }
  }
}

/// One input or output as a model declares it.
public struct TensorSpec: Sendable {
  public var name: String
  public var type: ElementType
  /// Elements per dimension; -1 where any size fits. Empty for a scalar.
  public var shape: [Int64]

  public init(name: String, type: ElementType, shape: [Int64]) {
    self.name = name
    self.type = type
    self.shape = shape
  }
}

/// Bytes of a dense tensor; nil for a negative dimension or on overflow.
public func tensorByteCount(_ shape: UnsafeBufferPointer<Int64>, elementByteCount: Int) -> Int? {
  var product = elementByteCount
  var isEmpty = false
  for dimension in shape {
    guard dimension >= 0 else { return nil }
    if dimension == 0 {
      isEmpty = true
      continue
    }
    let (next, overflow) = product.multipliedReportingOverflow(by: Int(dimension))
    guard !overflow else { return nil }
    product = next
  }
  return isEmpty ? 0 : product
}
