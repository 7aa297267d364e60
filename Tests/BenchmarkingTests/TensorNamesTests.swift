import Inference
import StadionClient
import Testing

@testable import Benchmarking

@Suite struct `Names of tensors in another format` {
  private func tensor(_ name: String, _ values: [Float]) -> DenseTensor {
    DenseTensor(name: name, elementType: .f32, shape: [Int64(values.count)], values: values)
  }

  @Test func `stay where all are known, in any order`() throws {
    let specs = ["B", "A"].map { TensorSpec(name: $0, elementType: .f32, shape: [-1]) }
    let inputs = [tensor("A", [1]), tensor("B", [2])]
    #expect(try TensorNames.inputs(inputs, for: specs) == inputs)
    let reference = [tensor("P", [1]), tensor("Q", [2])]
    // Each has the other's values: a mismatch to show, not to mend.
    let swapped = [tensor("Q", [1]), tensor("P", [2])]
    #expect(TensorNames.outputs(swapped, like: reference).renamed.isEmpty)
    #expect(TensorNames.outputs(swapped, like: reference).outputs == swapped)
  }

  @Test func `of inputs go by type and shape in turn`() throws {
    let specs = [
      TensorSpec(name: "x:0", elementType: .f32, shape: [2]), TensorSpec(name: "x:1", elementType: .f32, shape: [-1]),
    ]
    let found = try TensorNames.inputs([tensor("A", [1, 2, 3]), tensor("B", [4, 5])], for: specs)
    #expect(found == [tensor("x:1", [1, 2, 3]), tensor("x:0", [4, 5])])
    #expect(throws: HostError.self) { try TensorNames.inputs([tensor("A", [1]), tensor("B", [4])], for: specs) }
  }

  @Test func `of outputs go to the nearest of the same shape`() {
    let reference = [tensor("contour", [1, 1]), tensor("note", [5, 5]), tensor("rest", [0])]
    let outputs = [tensor("out:0", [5, 4]), tensor("out:1", [1, 2]), tensor("out:2", [0])]
    let (found, renamed) = TensorNames.outputs(outputs, like: reference)
    #expect(found == [tensor("contour", [1, 2]), tensor("note", [5, 4]), tensor("rest", [0])])
    #expect(renamed.map(\.from) == ["out:1", "out:0", "out:2"])
  }
}
