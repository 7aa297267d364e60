import Inference
import StadionClient

/// Numbers that are the same for the same seed on every machine.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

extension TensorSpec {
  /// An input of the declared type and shape, with 2 for every open dimension and 1 for every element.
  var ones: DenseTensor {
    let shape = shape.map { $0 < 0 ? 2 : min($0, 8) }
    let count = Int(shape.reduce(1, *))
    guard let size = elementType.byteCount else {
      return DenseTensor(name: name, shape: shape, elements: Array(repeating: [97], count: count))
    }
    let bytes = (0..<count * size).map { UInt8($0 % size == 0 ? 1 : 0) }
    return DenseTensor(name: name, elementType: elementType, shape: shape, bytes: bytes)
  }
}
