package import Inference
package import StadionClient

/// Brings tensors of one format's names to those of another: exporters name inputs and outputs as they like.
package enum TensorNames {
  /// The tensors under the names of `specs`: unchanged where all names are known, else each in turn for the first input
  /// of its type and shape.
  ///
  /// - Throws: `HostError` `.unsupported` where one has no counterpart.
  package static func inputs(_ tensors: [DenseTensor], for specs: [TensorSpec]) throws(HostError) -> [DenseTensor] {
    if tensors.allSatisfy({ tensor in specs.contains { $0.name == tensor.name } }) { return tensors }
    var left = specs
    var renamed: [DenseTensor] = []
    for var tensor in tensors {
      guard let index = left.firstIndex(where: { fits(tensor, $0) }) else {
        throw HostError(
          .unsupported,
          "none of its inputs takes \(tensor.name), \(tensor.elementType.protocolName) \(tensor.shape): "
            + left.map { "\($0.name) \($0.elementType.protocolName) \($0.shape)" }.joined(separator: ", "))
      }
      tensor.name = left.remove(at: index).name
      renamed.append(tensor)
    }
    return renamed
  }

  /// The outputs under the names of the reference's, and what each was called: unchanged where all names agree, else
  /// each reference output takes that of its type and shape which is nearest to it. A swap of two such outputs can't be
  /// seen then.
  package static func outputs(
    _ outputs: [DenseTensor], like reference: [DenseTensor]
  ) -> (outputs: [DenseTensor], renamed: [(from: String, to: String)]) {
    if Set(outputs.map(\.name)) == Set(reference.map(\.name)) { return (outputs, []) }
    var left = outputs
    var matched: [DenseTensor] = []
    var renamed: [(from: String, to: String)] = []
    for expected in reference {
      let fitting = left.indices.filter {
        left[$0].elementType == expected.elementType && left[$0].shape == expected.shape
      }
      let distances = fitting.map { (index: $0, distance: distance(left[$0], expected)) }
      guard let nearest = distances.min(by: { $0.distance < $1.distance }) else { continue }
      var output = left.remove(at: nearest.index)
      if output.name != expected.name { renamed.append((output.name, expected.name)) }
      output.name = expected.name
      matched.append(output)
    }
    return (matched + left, renamed)
  }

  private static func fits(_ tensor: DenseTensor, _ spec: TensorSpec) -> Bool {
    tensor.elementType == spec.elementType && tensor.shape.count == spec.shape.count
      && zip(tensor.shape, spec.shape).allSatisfy { $1 < 0 || $0 == $1 }
  }

  /// Sum of absolute differences; infinite where one is no number.
  private static func distance(_ output: DenseTensor, _ expected: DenseTensor) -> Double {
    if output.elementType == .utf8 { return output.bytes == expected.bytes ? 0 : .infinity }
    var values: [Double] = []
    expected.forEachNumber { values.append($0) }
    var sum = 0.0
    var index = 0
    output.forEachNumber {
      sum += ($0 - values[index]).magnitude
      index += 1
    }
    return sum.isNaN ? .infinity : sum
  }
}
