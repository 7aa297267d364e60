import BlockingTests
import Inference
import StadionClient
import Testing
import Wire

/// What graphs can be beside a row of operators; see Tests/Models/make_onnx.py.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `ONNX graphs through the host` {
  private func int(_ name: String, _ value: Int64) -> DenseTensor {
    DenseTensor(name: name, elementType: .i64, shape: [], values: [value])
  }

  @Test func `dimensions with names have the sizes of each request`() throws {
    let host = try Host { try $0.addOnnx("m", "product") }
    let row = floats("x", [1, 2], [1, 2])
    #expect(try host.infer("m", row, floats("y", [2, 2], [1, 2, 3, 4])) == [floats("z", [1, 2], [7, 10])])
    #expect(try host.infer("m", row, floats("y", [2, 1], [5, 6])) == [floats("z", [1, 1], [17])])
    let ones = [Float](repeating: 1, count: 8)
    #expect(try host.infer("m", floats("x", [0, 2], []), floats("y", [2, 4], ones)) == [floats("z", [0, 4], [])])
    // A sum of nothing.
    let zeros = [Float](repeating: 0, count: 8)
    #expect(try host.infer("m", floats("x", [2, 0], []), floats("y", [0, 4], [])) == [floats("z", [2, 4], zeros)])
    let refusal = try host.client.failure("m", row, floats("y", [3, 1], [1, 2, 3]))
    #expect(refusal?.code == .invalidRequest && refusal?.message.contains("MatMul") == true, "\(refusal as Any)")
  }

  @Test func `an output of unknown rank has that of the result`() throws {
    let host = try Host { try $0.addOnnx("m", "any_rank") }
    for shape: [Int64] in [[4], [2, 2], [1, 2, 1, 2], [1, 1, 1, 1, 1, 1, 1, 4]] {
      let wanted = DenseTensor(name: "s", elementType: .i64, shape: [Int64(shape.count)], values: shape)
      #expect(try host.infer("m", floats("x", [4], [1, 2, 3, 4]), wanted) == [floats("z", shape, [1, 2, 3, 4])])
    }
  }

  @Test func `an input of unknown rank takes any shape`() throws {
    let host = try Host { try $0.addOnnx("m", "any_shape") }
    #expect(try host.infer("m", floats("x", [3], [1, 2, 3])) == [floats("z", [3], [1, 2, 3])])
    withKnownIssue("a signature has no word for any rank: the host takes [-1] for one dimension") {
      let refusals = try [
        host.client.failure("m", floats("x", [1, 2], [1, 2])), host.client.failure("m", floats("x", [], [1])),
      ]
      #expect(refusals.compactMap(\.?.message) == [])
    }
  }

  @Test func `quantised weights and inputs are rounded and clipped as they say`() throws {
    let host = try Host { try $0.addOnnx("m", "quantised") }
    // x becomes a multiple of 0.5 in -64 ... 63.5; the weight is 0.5 and -1.
    let z = try host.infer("m", floats("x", [3, 2], [1, 2, 3.3, 1000, -1000, 0.2]))
    #expect(z == [floats("z", [3, 1], [-1.5, -61.75, -32])])
  }

  @Test func `an initialiser that is also an input is a default, which no caller gives`() throws {
    let host = try Host { try $0.addOnnx("m", "default_weight") }
    let x = floats("x", [3], [1, 2, 3])
    #expect(try host.infer("m", x) == [floats("z", [3], [11, 22, 33])])
    let refusal = try host.client.failure("m", x, floats("w", [3], [0, 0, 0]))
    #expect(refusal?.message == "unexpected inference input 'w' for model 'm'; it wants 'x'")
  }

  @Test func `If, Loop and Scan run`() throws {
    let host = try Host { folder in
      for name in ["branch", "multiples", "running_sum"] { try folder.addOnnx(name, name) }
    }
    for (negate, sign) in [(UInt8(1), Float(-1)), (0, 1)] {
      let condition = DenseTensor(name: "negate", elementType: .bool, shape: [], bytes: [negate])
      let x = floats("x", [2], [1, 2])
      #expect(try host.infer("branch", condition, x) == [floats("z", [2], [sign, 2 * sign])])
    }
    let x = floats("x", [2], [1, 2])
    #expect(
      try host.infer("multiples", int("steps", 3), x)
        == [floats("last", [2], [3, 6]), floats("rows", [3, 2], [1, 2, 2, 4, 3, 6])])
    #expect(
      try host.infer("multiples", int("steps", 0), x) == [floats("last", [2], [0, 0]), floats("rows", [0, 2], [])])
    #expect(
      try host.infer("running_sum", floats("start", [], [5]), floats("x", [3], [1, 2, 3]))
        == [floats("total", [], [11]), floats("sums", [3], [6, 8, 11])])
  }

  @Test func `an input that is missing, given twice or unknown is refused before the run`() throws {
    let host = try Host { try $0.addOnnx("m", "add") }
    let x = floats("x", [1, 4], [1, 2, 3, 4])
    let y = floats("y", [1, 4], [1, 2, 3, 4])
    func message(_ inputs: DenseTensor...) throws -> String? { try host.client.failure("m", inputs)?.message }
    #expect(try message(x) == "input 'y' of model 'm' is missing; it wants 'x', 'y'")
    #expect(try message(x, y, y) == "input 'y' already exists in the request")
    #expect(
      try message(x, y, floats("q", [1], [1])) == "unexpected inference input 'q' for model 'm'; it wants 'x', 'y'")
  }
}

extension StadionClient {
  /// What a host says against a request; nil when it answers.
  func failure(_ model: String, _ inputs: [DenseTensor], timeoutMicros: Int? = nil) throws -> HostError? {
    do throws(HostError) {
      _ = try infer(ModelID(model), inputs: inputs, parameters: timeoutMicros.map { [("timeout", .integer($0))] } ?? [])
      return nil
    } catch {
      return error
    }
  }

  func failure(_ model: String, _ inputs: DenseTensor...) throws -> HostError? { try failure(model, inputs) }
}
