import CStadionRunner
import Foundation
import Testing

/// Where `make` puts the engine and the models that these tests need; see Tests/Models/make_onnx.py.
private enum Setup {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let library = root + "/.stadion/engines/onnxruntime/libonnxruntime.so.1.32.0"
  static func model(_ name: String) -> String { root + "/.stadion/test-models/onnx/\(name).onnx" }
  static let basicPitch = root + "/.stadion/models/basic_pitch/1/model.onnx"

  static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
  /// With STADION_REQUIRE_ENGINES the tests run without the engine too, and fail.
  static let isRequired = ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] != nil
  static let isReady = isRequired || isThere(library) && isThere(model("identity"))
}

@Suite(.enabled(if: Setup.isReady, "requires: onnxruntime (make engines/onnxruntime and the models of make_onnx.py)"))
struct `The ONNX Runtime runner` {
  let runner: OpaquePointer

  init() throws { runner = try Plugin.onnxRuntime.create(["library": Setup.library]) }

  private func load(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try Plugin.onnxRuntime.load(runner, Setup.model(name), options)
  }

  // -- What it says

  @Test func `names its engine once that is open`() {
    #expect(String(cString: Plugin.onnxRuntime.raw.pointee.engine!) == "onnxruntime 1.32.0")
  }

  @Test func `reads inputs, outputs and open dimensions`() throws {
    let model = try load("identity")
    #expect(model.signature(outputs: false) == ["INPUT0 1 [-1, 16]"])
    #expect(model.signature(outputs: true) == ["OUTPUT0 1 [-1, 16]"])
    #expect(try load("scalar").signature(outputs: false) == ["INPUT0 1 []"])
    #expect(try load("constant").signature(outputs: false) == [])
    #expect(try load("any_rank").signature(outputs: true) == ["z 1 [-1]"])
  }

  @Test func `reads what a model says of itself`() throws {
    #expect(
      try load("add").metadata == [
        "producer": "stadion tests", "graph": "add", "domain": "org.stadion.tests", "description": "adds",
        "version": "7", "author": "us", "labels": "a,b", "dim.x": "batch,4", "dim.y": "batch,4", "dim.z": "batch,4",
      ])
    let unset = try load("static").metadata
    #expect(unset["dim.INPUT0"] == nil)
    #expect(try load("unnamed").metadata["dim.INPUT0"] == nil)
    #expect(try load("any_rank").metadata["dim.z"] == "...")
  }

  // -- What it computes

  @Test(
    arguments: zip(
      1...13, ["f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool"]))
  func `serves every element type bit by bit`(dtype: Int, name: String) throws {
    let sizes = [4, 2, 2, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1]
    let bytes: [UInt8] = name == "bool" ? [1, 0, 1] : (0..<3 * sizes[dtype - 1]).map { UInt8($0 * 29 % 256) }
    let ticket = TestTicket()
    let outputs = try load("identity_" + name).run([Tensor("INPUT0", dtype: dtype, [3], bytes)], ticket: ticket)
    #expect(outputs == [Tensor("OUTPUT0", dtype: dtype, [3], bytes)])
    #expect(ticket.madeCount == 1)
    #expect(ticket.keptCount == 0)
  }

  @Test func `serves text, empty and with zero bytes`() throws {
    let text = ["", "größer", "a\0b", String(repeating: "x", count: 10_000), ""]
    let outputs = try load("identity_utf8").run([Tensor("INPUT0", [5], text: text)])
    #expect(outputs == [Tensor("OUTPUT0", [5], text: text)])
    #expect(try load("identity_utf8").run([Tensor("INPUT0", [0], text: [])])[0].shape == [0])
    let joined = try load("concat_text").run([Tensor("x", [2], text: ["a", ""]), Tensor("y", [2], text: ["b", "ü"])])
    #expect(joined == [Tensor("z", [2], text: ["ab", "ü"])])
  }

  @Test(
    arguments: [
      (4, [2] as [Int64], [1, 0, 0, 0, 65, 9, 0, 0, 0, 65]), (1, [2], [0, 0, 0]), (1, [1], [1, 0, 0, 0]),
      (1, [1], [0, 0, 0, 0, 0]), (1, [1 << 40], [0, 0, 0, 0]), (1, [.max], []), (1, [1], [255, 255, 255, 255, 1]),
    ] as [(Int, [Int64], [UInt8])])
  func `refuses text whose byte counts lie`(_: Int, shape: [Int64], bytes: [UInt8]) throws {
    let model = try load("identity_utf8")
    let found = try failure { try model.run([Tensor("INPUT0", dtype: STADION_UTF8, shape, bytes)]) }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
  }

  @Test func `writes outputs of known shape into the host's memory`() throws {
    let ticket = TestTicket()
    let image = (0..<150_528).map { Float($0) }
    let output = try load("identity_image").run([floats("INPUT0", [1, 3, 224, 224], image)], ticket: ticket)
    #expect(output == [floats("OUTPUT0", [1, 3, 224, 224], image)])
    #expect(ticket.madeCount == 1)
    #expect(try load("scalar").run([floats("INPUT0", [], [7])]) == [floats("OUTPUT0", [], [7])])
  }

  @Test func `follows the batch, also where inputs disagree`() throws {
    let model = try load("add")
    let ones = [Float](repeating: 1, count: 12)
    let y = floats("y", [3, 4], ones)
    #expect(try model.run([y, floats("x", [3, 4], ones)]) == [floats("z", [3, 4], ones.map { $0 * 2 })])
    // One row is added to three: the name of the dimension promises nothing here.
    #expect(try model.run([floats("x", [1, 4], [1, 2, 3, 4]), y])[0].shape == [3, 4])
    #expect(try model.run([floats("x", [0, 4], []), floats("y", [0, 4], [])]) == [floats("z", [0, 4], [])])
  }

  @Test func `emits only the outputs that are wanted`() throws {
    let model = try load("two_outputs")
    let inputs = [floats("x", [1, 4], [5, 5, 5, 5]), floats("y", [1, 4], [1, 2, 3, 4])]
    #expect(try model.run(inputs).map(\.name) == ["sum", "difference"])
    #expect(try model.run(inputs, wanted: [1]) == [floats("difference", [1, 4], [4, 3, 2, 1])])
    #expect(try model.run(inputs, wanted: []) == [])
    #expect(try failure { try model.run(inputs, wanted: [2]) }?.code == STADION_INVALID_ARGUMENT)
  }

  @Test func `serves outputs whose shape depends on the data, or isn't known`() throws {
    let found = try load("nonzero").run([floats("x", [4], [0, 1, 0, 2])])
    #expect(found == [Tensor("z", STADION_I64, [1, 2], of: [Int64(1), 3])])
    let shaped = try load("any_rank").run([
      floats("x", [4], [1, 2, 3, 4]), Tensor("s", STADION_I64, [2], of: [Int64(2), 2]),
    ])
    #expect(shaped == [floats("z", [2, 2], [1, 2, 3, 4])])
    #expect(try load("constant").run([]) == [floats("z", [3], [1, 2, 3])])
  }

  @Test func `takes the host's memory for a shape that it has seen, until the data make another`() throws {
    let model = try load("nonzero")
    let ticket = TestTicket()
    func found(_ numbers: [Float]) throws -> [Int64] {
      let outputs = try model.run([floats("x", [Int64(numbers.count)], numbers)], ticket: ticket)
      #expect(outputs.first?.shape == [1, Int64(numbers.count { $0 != 0 })])
      return outputs.first?.numbers(Int64.self) ?? []
    }
    #expect(try found([0, 1, 0, 2]) == [1, 3])
    #expect(ticket.madeCount == 0)
    #expect(try found([3, 0, 0, 2]) == [0, 3])
    #expect(ticket.madeCount == 1)
    // Only the wrong guess takes memory for nothing.
    #expect(try found([3, 0, 4, 2]) == [0, 2, 3])
    #expect(try found([3, 0, 4, 2]) == [0, 2, 3])
    #expect(try found([0, 0, 1]) == [2])
    #expect(ticket.madeCount == 2)
    #expect(ticket.keptCount == 0)
  }

  @Test func `stops trusting a model that declares a wrong shape`() throws {
    let model = try load("liar")
    let ticket = TestTicket()
    for _ in 0..<3 {
      #expect(try model.run([floats("x", [2], [1, 2])], ticket: ticket) == [floats("z", [4], [1, 2, 1, 2])])
    }
    #expect(ticket.madeCount == 1)
    #expect(ticket.keptCount == 0)
  }

  @Test func `gives the known result for real audio`() throws {
    try #require(Setup.isThere(Setup.basicPitch), "requires: the model basic_pitch")
    let model = try Plugin.onnxRuntime.load(runner, Setup.basicPitch)
    var seed: UInt32 = 12345
    let audio = (0..<43844).map { index -> Float in
      seed = seed &* 1_664_525 &+ 1_013_904_223
      let t = Double(index) / 22050
      let noise = Double(seed >> 8) / 16_777_216 - 0.5
      return Float(0.3 * sin(2 * .pi * 261.63 * t) + 0.2 * sin(2 * .pi * 440 * t) + 0.02 * noise)
    }
    let input = String(model.signature(outputs: false)[0].prefix { $0 != " " })
    let outputs = try model.run([floats(input, [1, 43844, 1], audio)])
    let sums = Dictionary(
      uniqueKeysWithValues: outputs.map { output in
        (output.name.suffix(2), output.numbers(Float.self).reduce(0.0) { $0 + Double($1) })
      })
    #expect(abs((sums[":2"] ?? 0) - 1563.336) < 0.01)  // onset
    #expect(abs((sums[":1"] ?? 0) - 1666.808) < 0.01)  // note
    #expect(abs((sums[":0"] ?? 0) - 4713.941) < 0.01)  // contour
  }

  // -- What it refuses

  @Test func `names the input that is missing, unknown or of another kind`() throws {
    let model = try load("add")
    let x = floats("x", [1, 4], [1, 2, 3, 4])
    let y = floats("y", [1, 4], [1, 2, 3, 4])
    func message(_ inputs: [Tensor]) throws -> String? {
      let failure = try failure { try model.run(inputs) }
      #expect(failure?.code == STADION_INVALID_ARGUMENT)
      return failure?.message
    }
    #expect(try message([x]) == "input y is missing")
    #expect(try message([x, y, floats("q", [1], [1])]) == "the model has no input q")
    #expect(try message([x, y, y]) == "an input was given twice")
    #expect(
      try message([x, Tensor("y", STADION_I32, [1, 4], of: [Int32(1), 2, 3, 4])])
        == "input y is i32; the model wants f32")
    #expect(
      try message([x, floats("y", [4], [1, 2, 3, 4])]) == "input y has shape [4]; the model wants [-1, 4]")
    #expect(
      try message([x, floats("y", [1, 3], [1, 2, 3])]) == "input y has shape [1, 3]; the model wants [-1, 4]")
    #expect(try message([x, floats("y", [2, 4], [1, 2, 3, 4])])?.contains("16 bytes") == true)
    #expect(
      try message([
        floats("x", [2, 4], .init(repeating: 1, count: 8)), floats("y", [3, 4], .init(repeating: 1, count: 12)),
      ]) != nil)
  }

  @Test(arguments: [
    ("sequence", STADION_UNSUPPORTED, "output z is of kind sequence"), ("float8", STADION_UNSUPPORTED, "float8"),
    ("int4", STADION_UNSUPPORTED, "int4"), ("rank9", STADION_UNSUPPORTED, "9 dimensions"),
    ("empty", STADION_INVALID_ARGUMENT, ""), ("garbage", STADION_INVALID_ARGUMENT, ""),
    ("truncated", STADION_INVALID_ARGUMENT, ""), ("text", STADION_INVALID_ARGUMENT, ""),
    ("missing", STADION_NOT_FOUND, ""),
  ])
  func `refuses a file it can't serve`(name: String, code: Int, part: String) throws {
    let found = try failure { try load(name) }
    #expect(found?.code == code)
    #expect(part.isEmpty || found?.message.contains(part) == true)
    #expect(found?.message.isEmpty == false)
  }

  @Test(arguments: ["unknown_operator", "cycle", "too_few_weights"])
  func `survives a broken graph`(name: String) throws {
    #expect(try failure { try load(name) }?.source == "onnxruntime")
  }

  @Test func `survives a division by zero`() throws {
    let model = try load("divide")
    let zeros = Tensor("y", STADION_I32, [4], of: [Int32](repeating: 0, count: 4))
    _ = try failure { try model.run([Tensor("x", STADION_I32, [4], of: [Int32](repeating: 1, count: 4)), zeros]) }
    let ones = Tensor("y", STADION_I32, [4], of: [Int32](repeating: 1, count: 4))
    #expect(
      try model.run([Tensor("x", STADION_I32, [4], of: [Int32(1), 2, 3, 4]), ones])[0].numbers() == [Int32(1), 2, 3, 4])
  }

  @Test func `says when the tenant's memory is spent`() throws {
    let ticket = TestTicket(quota: 100)
    let model = try load("two_outputs")
    let inputs = [
      floats("x", [5, 4], .init(repeating: 1, count: 20)), floats("y", [5, 4], .init(repeating: 1, count: 20)),
    ]
    #expect(try failure { try model.run(inputs, ticket: ticket) }?.code == STADION_RESOURCE_EXHAUSTED)
    #expect(ticket.keptCount == 0)
  }

  @Test(arguments: [
    ["intra_op_threads": "0"], ["intra_op_threads": "500"], ["inter_op_threads": "x"], ["graph_optimization": "most"],
    ["spinning": "yes"], ["arena": "2"], ["intra_op_treads": "1"], ["library": "/tmp/x.so"],
  ])
  func `refuses options it doesn't understand`(options: [String: String]) throws {
    let found = try failure { try load("identity", options) }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
    #expect(found?.message.contains(options.keys.first!) == true)
  }

  @Test func `takes every good option`() throws {
    for level in ["none", "basic", "extended", "all"] {
      let options = [
        "graph_optimization": level, "arena": "0", "spinning": "1", "intra_op_threads": "1", "inter_op_threads": "1",
      ]
      #expect(try load("scalar", options).run([floats("INPUT0", [], [7])])[0].numbers() == [Float(7)])
    }
  }

  @Test func `needs its engine's library, by absolute path, one per process`() throws {
    let none = try failure { try Plugin.onnxRuntime.create() }
    #expect(none?.code == STADION_INVALID_ARGUMENT)
    #expect(none?.message.contains("make engines/onnxruntime") == true)
    let other = try failure { try Plugin.onnxRuntime.create(["library": "/nowhere/libonnxruntime.so"]) }
    #expect(other?.code == STADION_FAILED_PRECONDITION)
  }

  // -- Cancel and concurrency

  private static let loopInputs = [
    Tensor("steps", STADION_I64, [], of: [Int64.max]), Tensor("more", dtype: STADION_BOOL, [], [1]),
    Tensor("x", STADION_F32, [64], of: [Float](repeating: 0.5, count: 64)),
  ]

  @Test(.timeLimit(.minutes(1))) func `ends an endless run when it is interrupted, and the next one runs`() throws {
    let model = try load("loop")
    for _ in 0..<10 {
      let ticket = TestTicket()
      let run = Background { try model.run(Self.loopInputs, ticket: ticket) }
      ticket.asked.wait()
      ticket.cancel()
      model.interrupt(ticket)
      #expect(run.wait()?.code == STADION_CANCELLED)
    }
    var inputs = Self.loopInputs
    inputs[0] = Tensor("steps", STADION_I64, [], of: [Int64(3)])
    #expect(try model.run(inputs).count == 1)
    model.interrupt(TestTicket())
  }

  @Test(.timeLimit(.minutes(1))) func `tells a passed deadline from a cancel`() throws {
    let model = try load("loop")
    let ticket = TestTicket(deadlineNanoseconds: 1)
    let run = Background { try model.run(Self.loopInputs, ticket: ticket) }
    ticket.asked.wait()
    ticket.cancel()
    model.interrupt(ticket)
    #expect(run.wait()?.code == STADION_DEADLINE_EXCEEDED)
  }

  @Test(.timeLimit(.minutes(1))) func `serves many runs at once, each with its own answer`() throws {
    let model = try load("add")
    let runs = (0..<8).map { worker in
      Background {
        for round in 0..<200 {
          let rows = Int64(round % 5 + 1)
          let numbers = [Float](repeating: Float(worker * 1000 + round), count: Int(rows) * 4)
          let inputs = [floats("x", [rows, 4], numbers), floats("y", [rows, 4], numbers)]
          let wrong = Failure(wrong: "worker \(worker), round \(round)")
          guard try model.run(inputs) == [floats("z", [rows, 4], numbers.map { $0 * 2 })] else { throw wrong }
        }
        return []
      }
    }
    for run in runs { #expect(run.wait() == nil) }
  }
}

private func floats(_ name: String, _ shape: [Int64], _ numbers: [Float]) -> Tensor {
  Tensor(name, STADION_F32, shape, of: numbers)
}
