import CStadionRunner
import Foundation
import Testing

@Suite(.enabled(if: LiteRTSetup.isReady, Comment(rawValue: LiteRTSetup.requirement)))
struct `The LiteRT runner` {
  let runner: OpaquePointer

  init() throws { runner = try Plugin.litert.create(["library": LiteRTSetup.library]) }

  private func load(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try Plugin.litert.load(runner, LiteRTSetup.model(name), options)
  }

  // -- What it says

  @Test func `lists inputs and outputs by name, whatever LiteRT's order`() throws {
    let model = try load("two_outputs")
    #expect(model.signature(outputs: false) == ["x 1 [-1, 4]", "y 1 [-1, 4]"])
    #expect(model.signature(outputs: true) == ["difference 1 [-1, 4]", "sum 1 [-1, 4]"])
    #expect(try load("scalar").signature(outputs: false) == ["x 1 []"])
  }

  @Test func `serves one signature of several and names all`() throws {
    let first = try load("signatures")
    #expect(first.metadata["signature"] == "decode")
    #expect(first.metadata["signatures"] == "decode,encode")
    #expect(first.signature(outputs: false) == ["q 1 [2, 4]"])
    let q = Tensor.floats("q", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(
      try first.run([q]) == [
        .floats("u", [2, 4], [0, 1, 2, 3, 4, 5, 6, 7]), .floats("w", [2, 4], [3, 6, 9, 12, 15, 18, 21, 24]),
      ])
    let encode = try load("signatures", ["signature": "encode"])
    #expect(encode.metadata["signature"] == "encode")
    #expect(try encode.run([.floats("x", [1, 4], [1, 2, 3, 4])]) == [.floats("z", [1, 4], [2, 3, 4, 5])])
    let none = try failure { try load("signatures", ["signature": "train"]) }
    #expect(none?.code == STADION_NOT_FOUND)
    #expect(none?.message == "the model has no signature \"train\"; it has decode, encode")
    #expect(try load("add").metadata["signature"] == "serving_default")
  }

  @Test func `tells scale and zero point of quantised tensors`() throws {
    let model = try load("cnn_int8")
    #expect(model.signature(outputs: false) == ["image \(STADION_I8) [1, 28, 28, 1]"])
    let input = try #require(model.metadata["quant.image"]).split(separator: ",")
    #expect(abs((Double(input[0]) ?? 0) - 1 / 255) < 1e-4)
    #expect(input[1] == "-128")
    #expect(model.metadata["quant.logits"] != nil)
    #expect(try load("cnn_uint8").metadata["quant.image"]?.hasSuffix(",0") == true)
    #expect(try load("cnn").metadata["quant.image"] == nil)
  }

  @Test func `says which LiteRT a file needs`() throws {
    #expect(try load("add").metadata["min_runtime_version"]?.isEmpty == false)
    #expect(try load("no_signature").metadata["min_runtime_version"] == nil)
  }

  // -- What it computes

  @Test(
    arguments: zip(
      1...13, ["f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool"]))
  func `serves every element type bit by bit`(dtype: Int, name: String) throws {
    let sizes = [4, 2, 2, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1]
    let bytes: [UInt8] = name == "bool" ? [1, 0, 1] : (0..<3 * sizes[dtype - 1]).map { UInt8($0 * 29 % 256) }
    let ticket = TestTicket()
    let outputs = try load("reshape_" + name).run([Tensor("x", dtype: dtype, [1, 3], bytes)], ticket: ticket)
    #expect(outputs == [Tensor("z", dtype: dtype, [3], bytes)])
    #expect(ticket.madeCount == 1)
    #expect(ticket.keptCount == 0)
  }

  @Test func `follows the batch, up and down`() throws {
    let model = try load("add")
    for rows: Int64 in [1, 3, 2, 500, 1] {
      let numbers = (0..<Int(rows) * 4).map(Float.init)
      #expect(
        try model.run([.floats("y", [rows, 4], numbers), .floats("x", [rows, 4], numbers)])
          == [.floats("z", [rows, 4], numbers.map { $0 * 2 })])
    }
  }

  @Test func `computes again after inputs whose shapes don't fit together`() throws {
    let model = try load("add")
    let ones = Tensor.floats("y", [3, 4], .init(repeating: 1, count: 12))
    for _ in 0..<3 {
      let found = try failure { try model.run([.floats("x", [2, 4], .init(repeating: 1, count: 8)), ones]) }
      #expect(found?.code == STADION_INVALID_ARGUMENT)
      #expect(
        try model.run([.floats("x", [3, 4], .init(repeating: 2, count: 12)), ones])
          == [.floats("z", [3, 4], .init(repeating: 3, count: 12))])
    }
  }

  @Test func `computes scalars, branches and whole numbers`() throws {
    #expect(try load("scalar").run([.floats("x", [], [7])]) == [.floats("z", [], [8])])
    let branch = try load("branch")
    let x = Tensor.floats("x", [4], [1, 2, 3, 4])
    #expect(try branch.run([Tensor("c", dtype: STADION_BOOL, [], [1]), x])[0].numbers() == [Float(2), 4, 6, 8])
    #expect(try branch.run([Tensor("c", dtype: STADION_BOOL, [], [0]), x])[0].numbers() == [Float(0), 1, 2, 3])
    let image = [UInt8](repeating: 200, count: 784)
    let eight = try load("cnn_uint8").run([Tensor("image", dtype: STADION_U8, [1, 28, 28, 1], image)])
    #expect(eight[0].bytes.count == 10 && Set(eight[0].bytes).count > 3)
  }

  @Test func `emits only the outputs that are wanted`() throws {
    let model = try load("two_outputs")
    let inputs: [Tensor] = [.floats("x", [1, 4], [5, 5, 5, 5]), .floats("y", [1, 4], [1, 2, 3, 4])]
    let ticket = TestTicket()
    #expect(try model.run(inputs, wanted: [0], ticket: ticket) == [.floats("difference", [1, 4], [4, 3, 2, 1])])
    #expect(ticket.keptCount == 0)
    #expect(try model.run(inputs, wanted: [1, 0]).map(\.name) == ["sum", "difference"])
    #expect(try model.run(inputs, wanted: []) == [])
    #expect(try failure { try model.run(inputs, wanted: [2]) }?.code == STADION_INVALID_ARGUMENT)
    #expect(try failure { try model.run(inputs, wanted: [1, 1]) }?.code == STADION_INVALID_ARGUMENT)
  }

  /// LiteRT would compute with the memory of the output instead of the input's, and report success.
  @Test func `gives back an input that is an output too`() throws {
    let model = try load("passed_on")
    for numbers: [Float] in [[1, -2, 3, -4], [-5, 6, -7, 8]] {
      #expect(
        try model.run([.floats("x", [1, 4], numbers)])
          == [.floats("absolute", [1, 4], numbers.map(abs)), .floats("input", [1, 4], numbers)])
    }
  }

  @Test func `gives the known result for real audio`() throws {
    let model = try Plugin.litert.load(runner, LiteRTSetup.staticBasicPitch)
    let outputs = try model.run([.floats("input_2", [1, 43844, 1], LiteRTSetup.audio)])
    let sums = Dictionary(
      uniqueKeysWithValues: outputs.map { ($0.name, $0.numbers(Float.self).reduce(0.0) { $0 + Double($1) }) })
    #expect(abs((sums["onset"] ?? 0) - 1563.336) < 0.01)
    #expect(abs((sums["note"] ?? 0) - 1666.808) < 0.01)
    #expect(abs((sums["contour"] ?? 0) - 4713.941) < 0.01)
  }

  @Test func `finds the same in a real image each time`() throws {
    let model = try Plugin.litert.load(runner, LiteRTSetup.faces)
    let image = Tensor.floats("input", [1, 128, 128, 3], (0..<49152).map { Float($0 % 255) / 127.5 - 1 })
    let outputs = try model.run([image])
    #expect(Set(outputs.map(\.shape)) == [[1, 896, 1], [1, 896, 16]])
    for _ in 0..<3 { #expect(try model.run([image]) == outputs) }
  }

  @Test func `keeps state only where that is wanted`() throws {
    let found = try failure { try load("counter") }
    #expect(found?.code == STADION_UNSUPPORTED)
    #expect(found?.message.contains("ASSIGN_VARIABLE") == true)
    #expect(found?.message.contains("option state") == true)
    let model = try load("counter", ["state": "kept"])
    // The runs of the load have left nothing.
    for sum: Float in [1, 2, 3] {
      #expect(
        try model.run([.floats("x", [4], [1, 1, 1, 1])]) == [.floats("z", [4], .init(repeating: sum, count: 4))])
    }
  }
}
