import Inference
import StadionClient
import Testing

@testable import Benchmarking

@Suite struct `Generated inputs` {
  private let specs = [
    TensorSpec(name: "a", elementType: .f32, shape: [-1, 3]), TensorSpec(name: "b", elementType: .utf8, shape: [2]),
    TensorSpec(name: "c", elementType: .i64, shape: []),
  ]

  @Test func `are the same for the same seed alone`() throws {
    let one = try GeneratedInputs.make(specs, seed: 1)
    #expect(try GeneratedInputs.make(specs, seed: 1) == one)
    #expect(try GeneratedInputs.make(specs, seed: 2) != one)
    #expect(one.map(\.shape) == [[1, 3], [2], []])
    for tensor in one { try tensor.validate() }
  }

  @Test(arguments: ElementType.allCases) func `exist for every type`(type: ElementType) throws {
    let tensor = try GeneratedInputs.make([TensorSpec(name: "x", elementType: type, shape: [2, 5])], seed: 9)[0]
    try tensor.validate()
    tensor.forEachNumber { #expect((-1...9).contains($0)) }
  }

  @Test func `take the sizes that are asked for, where the model leaves them free`() throws {
    #expect(try GeneratedInputs.make(specs, shapes: ["a": [7, 3]], seed: 1)[0].shape == [7, 3])
    for shapes in [["a": [7, 4]], ["a": [7]], ["z": [1]], ["a": [Int64.max, 3]]] as [[String: [Int64]]] {
      #expect(throws: HostError.self) { try GeneratedInputs.make(specs, shapes: shapes, seed: 1) }
    }
  }
}
