import Inference

/// Inputs made from a signature.
struct Inputs: Sendable {
  enum Values: Sendable { case zeros, ones, zerosAndOnes }

  /// How they are made; the order is that in which they are tried.
  struct Recipe: Sendable {
    /// For each dimension that the signature leaves open.
    let openDimension: Int64
    let values: Values

    var text: String { "open dimensions \(openDimension), values \(values)" }

    static let all = [
      Recipe(openDimension: 1, values: .zeros), Recipe(openDimension: 3, values: .zerosAndOnes),
      Recipe(openDimension: 3, values: .zeros), Recipe(openDimension: 1, values: .ones),
    ]
  }

  struct Tensor: Sendable {
    let shape: [Int64]
    let bytes: [UInt8]
  }

  static let byteLimit = 256 << 20  // of one input; enough for any signature with a batch of 3

  let tensors: [Tensor]

  /// - Returns: Nil when an input would be larger than `byteLimit`.
  init?(_ model: Model, _ recipe: Recipe) {
    var tensors: [Tensor] = []
    for input in model.inputs {
      let shape = input.spec.shape.map { $0 < 0 ? recipe.openDimension : $0 }
      guard let count = TensorSize.elementCount(shape),
        count <= Self.byteLimit / (input.spec.elementType.byteCount ?? 8)
      else { return nil }
      tensors.append(Tensor(shape: shape, bytes: Self.bytes(input.spec.elementType, count, recipe.values)))
    }
    self.tensors = tensors
  }

  private static func bytes(_ type: ElementType, _ count: Int, _ values: Values) -> [UInt8] {
    guard let size = type.byteCount else {
      // A uint32 byte count and the bytes.
      return (0..<count).flatMap { values != .zeros ? [1, 0, 0, 0, UInt8(97 + $0 % 26)] : [0, 0, 0, 0] }
    }
    var bytes = [UInt8](repeating: 0, count: count * size)
    if values == .zeros { return bytes }
    for index in 0..<count where values == .ones || index % 2 == 1 {
      // 1 in each type, little-endian: high bytes for floating point.
      switch type {
      case .f32, .bf16: (bytes[index * size + size - 2], bytes[index * size + size - 1]) = (0x80, 0x3F)
      case .f64: (bytes[index * size + 6], bytes[index * size + 7]) = (0xF0, 0x3F)
      case .f16: bytes[index * size + 1] = 0x3C
      default: bytes[index * size] = 1
      }
    }
    return bytes
  }
}
