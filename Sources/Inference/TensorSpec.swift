/// One input or output as a model declares it.
package struct TensorSpec: Hashable, Sendable {
  package var name: String
  package var elementType: ElementType
  /// Elements per dimension; -1 where any size fits. Empty for a scalar.
  package var shape: [Int64]

  package init(name: String, elementType: ElementType, shape: [Int64]) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
  }

  package var hasDynamicShape: Bool { shape.contains { $0 < 0 } }
}

/// Sizes of tensors, computed so that hostile shapes can't overflow.
package enum TensorSize {
  /// Product of `shape`; nil for a negative dimension or a product over `Int.max`.
  // Other modules call this as it is, for any sequence, which takes ten times as long.
  @_specialize(where Shape == UnsafeBufferPointer<Int64>)
  @_specialize(where Shape == [Int64])
  package static func elementCount<Shape: Sequence<Int64>>(_ shape: Shape) -> Int? {
    var product = 1
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

  /// Bytes of a dense tensor; nil on overflow, and for `utf8`.
  package static func byteCount(_ type: ElementType, _ shape: some Sequence<Int64>) -> Int? {
    guard let size = type.byteCount, let count = elementCount(shape) else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
    return overflow ? nil : bytes
  }
}
