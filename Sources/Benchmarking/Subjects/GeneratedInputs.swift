package import Inference
package import StadionClient

/// Inputs for a model whose user gave none: from its metadata and a seed, the same in every run.
package enum GeneratedInputs {
  private static let words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"]
  private static let mostElements = 1 << 28

  /// Floats are uniform in -1..<1, integers 0 to 9 (indexes of any vocabulary), strings short words.
  ///
  /// - Parameter shapes: Of inputs whose sizes are free; without one, each free size is 1.
  /// - Throws: `HostError` `.invalidRequest` for a shape that doesn't fit, naming both.
  package static func make(
    _ specs: [TensorSpec], shapes: [String: [Int64]] = [:], seed: UInt64
  ) throws(HostError) -> [DenseTensor] {
    var generator = SeededGenerator(seed: seed)
    if let unknown = shapes.keys.sorted().first(where: { name in !specs.contains { $0.name == name } }) {
      let known = specs.map(\.name).joined(separator: ", ")
      throw HostError(.invalidRequest, "no input \"\(unknown)\" to give a shape to; there are \(known)")
    }
    var tensors: [DenseTensor] = []
    for spec in specs {
      let shape = shapes[spec.name] ?? spec.shape.map { $0 < 0 ? 1 : $0 }
      let fits = shape.count == spec.shape.count && zip(shape, spec.shape).allSatisfy { $1 < 0 ? $0 >= 0 : $0 == $1 }
      guard fits else {
        throw HostError(.invalidRequest, "input \(spec.name) wants shape \(spec.shape), not \(shape)")
      }
      guard let count = TensorSize.elementCount(shape), count <= mostElements else {
        throw HostError(.invalidRequest, "input \(spec.name): \(shape) has too many elements; give a smaller --shape")
      }
      tensors.append(tensor(spec, shape, count, &generator))
    }
    return tensors
  }

  private static func tensor(
    _ spec: TensorSpec, _ shape: [Int64], _ count: Int, _ generator: inout SeededGenerator
  ) -> DenseTensor {
    func values<Value: BitwiseCopyable>(_ make: (inout SeededGenerator) -> Value) -> DenseTensor {
      var made: [Value] = []
      made.reserveCapacity(count)
      for _ in 0..<count { made.append(make(&generator)) }
      return DenseTensor(name: spec.name, elementType: spec.elementType, shape: shape, values: made)
    }
    func digits<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) -> DenseTensor {
      values { Value($0.index(below: 10)) }
    }
    switch spec.elementType {
    case .f32: return values { Float($0.uniform() * 2 - 1) }
    case .f64: return values { $0.uniform() * 2 - 1 }
    case .f16: return values { Float16($0.uniform() * 2 - 1) }
    // Rounded towards zero: any value of the type will do.
    case .bf16: return values { UInt16(truncatingIfNeeded: Float($0.uniform() * 2 - 1).bitPattern >> 16) }
    case .i8: return digits(Int8.self)
    case .i16: return digits(Int16.self)
    case .i32: return digits(Int32.self)
    case .i64: return digits(Int64.self)
    case .u8: return digits(UInt8.self)
    case .u16: return digits(UInt16.self)
    case .u32: return digits(UInt32.self)
    case .u64: return digits(UInt64.self)
    case .bool: return values { UInt8($0.index(below: 2)) }
    case .utf8:
      let elements = (0..<count).map { _ in Array(words[generator.index(below: words.count)].utf8) }
      return DenseTensor(name: spec.name, shape: shape, elements: elements)
    }
  }
}
