import Inference
import StadionClient
import Testing

@testable import Benchmarking

@Suite struct `Parity of outputs` {
  private func floats(_ values: [Float], _ shape: [Int64]? = nil, name: String = "y") -> DenseTensor {
    DenseTensor(name: name, elementType: .f32, shape: shape ?? [Int64(values.count)], values: values)
  }

  private func compare(_ found: DenseTensor, _ expected: DenseTensor, _ tolerance: Tolerance = Tolerance())
    -> OutputParity
  {
    Parity.compare([found], with: [expected], tolerance: tolerance)[0]
  }

  @Test func `of equal outputs is perfect, infinities and missing numbers too`() {
    let tensor = floats([1, -2, .infinity, .nan, 0])
    let result = compare(tensor, tensor)
    #expect(result.passes && result.maxAbsolute == 0 && result.maxULP == 0)
    #expect(result.cosine == 1 && result.top1 == 1)
  }

  @Test func `tells how far apart floats are`() {
    let result = compare(floats([1.0 as Float + .ulpOfOne, 2, -4]), floats([1, 2.5, -4]))
    #expect(result.maxAbsolute == 0.5 && result.maxRelative == 0.2)
    #expect(abs(result.meanAbsolute - 0.5 / 3) < 1e-6)
    #expect(result.beyond == 1 && !result.passes)
  }

  @Test func `counts representable numbers across zero`() {
    let least = Float.leastNonzeroMagnitude
    #expect(compare(floats([least]), floats([-least])).maxULP == 2)
    #expect(compare(floats([1.0 as Float + .ulpOfOne]), floats([1])).maxULP == 1)
    #expect(compare(floats([0]), floats([-0.0])).maxULP == 0)
  }

  @Test func `passes within the tolerance alone`() {
    let (found, expected) = (floats([1.0009, 0.00009]), floats([1, 0]))
    #expect(compare(found, expected).passes)
    #expect(compare(found, expected, Tolerance(relative: 0, absolute: 0)).beyond == 2)
  }

  @Test func `fails where one side has no number`() {
    #expect(compare(floats([.nan]), floats([1])).beyond == 1)
    #expect(compare(floats([1]), floats([.infinity])).beyond == 1)
  }

  @Test func `compares the highest scores of each row`() {
    let expected = floats([9, 8, 7, 6, 5, 4, 3, 1, 2, 3, 4, 5, 6, 7], [2, 7])
    let found = floats([8, 9, 7, 6, 5, 4, 3, 1, 2, 3, 4, 5, 6, 7], [2, 7])
    let result = compare(found, expected)
    #expect(result.top1 == 0.5 && result.top5 == 1)
  }

  @Test func `over samples is that of the worst, and the mean of all elements`() throws {
    let near = compare(floats([1, 2, 3, 4]), floats([1, 2, 3, 4.0002]))
    let far = compare(floats([1, 9]), floats([1, 2]))
    let whole = try #require(OutputParity.over([("a", near), ("b", far)]))
    #expect(whole.worst == "b" && whole.beyond == 1 && whole.elementCount == 6 && whole.maxAbsolute == 7)
    #expect(abs(whole.meanAbsolute - 7.0002 / 6) < 1e-6)
    #expect(whole.maxULP == far.maxULP && whole.cosine == far.cosine)
    var missing = OutputParity(name: "y")
    missing.problem = "is missing"
    let none = try #require(OutputParity.over([("a", near), ("c", missing), ("b", far)]))
    #expect(none.worst == "c" && none.problem == "is missing" && !none.passes)
    #expect(OutputParity.over([("a", near)]) == near)
  }

  @Test func `wants integers and strings to be equal`() {
    func integers(_ values: [Int64]) -> DenseTensor {
      DenseTensor(name: "y", elementType: .i64, shape: [Int64(values.count)], values: values)
    }
    // A double holds neither exactly.
    let large = integers([1 << 60, 1])
    #expect(compare(integers([1 << 60 + 1, 1]), large).beyond == 1)
    #expect(compare(large, large).passes)
    func words(_ words: [String]) -> DenseTensor {
      DenseTensor(name: "y", shape: [Int64(words.count)], elements: words.map { Array($0.utf8) })
    }
    #expect(compare(words(["a", "b"]), words(["a", "c"])).beyond == 1)
  }

  @Test func `names what can't be compared`() {
    let results = Parity.compare(
      [floats([1], [1, 1]), floats([1], name: "z")], with: [floats([1]), floats([1], name: "x")],
      tolerance: Tolerance())
    #expect(results.map(\.name) == ["y", "x", "z"])
    #expect(results.allSatisfy { !$0.passes })
    #expect(results[0].problem == "has shape [1, 1], the reference's [1]")
  }
}
