import RunnerKit

/// LiteRT's description of a tensor, word by word as in its header: the element type, the rank (bits 0-6; bit 7 says
/// that there are strides), 8 dimensions, 8 strides. All but the first word is its "layout".
struct NativeType {
  static let layoutByteCount = 17 * 4

  private var words: InlineArray<18, Int32> = .init(repeating: 0)

  var elementType: Int32 { words[0] }
  var rank: Int { Int(words[1] & 127) }
  func dimension(_ place: Int) -> Int64 { Int64(words[2 + place]) }

  init() {}
  init(elementType: Int32) { words[0] = elementType }

  mutating func setRank(_ rank: Int) { words[1] = Int32(rank) }
  mutating func setDimension(_ place: Int, _ size: Int32) { words[2 + place] = size }

  /// Takes the shape from one of the engine's layouts.
  mutating func setLayout(_ layout: UnsafeRawPointer) {
    for word in 0..<17 { words[1 + word] = layout.loadUnaligned(fromByteOffset: 4 * word, as: Int32.self) }
  }

  /// Whether its shape is `shape`, of at most 8 dimensions.
  func hasShape(_ shape: UnsafeBufferPointer<Int64>) -> Bool {
    guard rank == shape.count else { return false }
    for place in 0..<rank where dimension(place) != shape[place] { return false }
    return true
  }

  var shape: [Int64] { (0..<min(rank, 8)).map { dimension($0) } }

  /// TensorFlow Lite's number of an element type; nil for what the protocol doesn't have.
  static func type(_ number: Int32) -> ElementType? {
    switch number {
    case 1: .f32
    case 2: .i32
    case 3: .u8
    case 4: .i64
    case 6: .bool
    case 7: .i16
    case 9: .i8
    case 10: .f16
    case 11: .f64
    case 13: .u64
    case 16: .u32
    case 17: .u16
    case 19: .bf16
    default: nil
    }
  }

  static func nameOfUnsupported(_ number: Int32) -> String {
    switch number {
    case 5: "string"  // only operators of TensorFlow compute with it, which LiteRT lacks
    case 8: "complex64"
    case 12: "complex128"
    case 14: "resource"
    case 15: "variant"
    case 18: "int4"
    case 20: "int2"
    case 21: "uint4"
    default: "number \(number)"
    }
  }
}
