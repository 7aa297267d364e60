import CStadionRunner
import Foundation
import Testing

@Suite(.enabled(if: TensorFlowSetup.isReady, TensorFlowSetup.needs)) struct `The TensorFlow runner` {
  let fixture: TensorFlowFixture

  init() throws { fixture = try TensorFlowFixture() }

  private func load(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try fixture.load(name, options)
  }

  // -- What it says

  @Test func `names its engine once that is open`() {
    #expect(String(cString: Plugin.tensorFlow.raw.pointee.engine!) == "tensorflow 2.21.0")
  }

  @Test func `reads inputs and outputs, sorted by name`() throws {
    #expect(try load("add").signature(outputs: false) == ["x 1 [-1, 4]", "y 1 [-1, 4]"])
    #expect(try load("two_outputs").signature(outputs: true) == ["difference 1 [-1, 4]", "sum 1 [-1, 4]"])
    #expect(try load("scalar").signature(outputs: false) == ["INPUT0 1 []"])
    #expect(try load("constant").signature(outputs: false) == [])
    #expect(try load("any_rank").signature(outputs: false) == ["INPUT0 1 [-1]"])
  }

  @Test func `serves the signature that is asked for, or the default, or the only one`() throws {
    func factor(_ name: String, _ options: [String: String] = [:]) throws -> [Float] {
      try load(name, options).run([floats("x", [1], [1])])[0].numbers()
    }
    #expect(try factor("several", ["signature": "encode"]) == [2])
    #expect(try factor("several", ["signature": "decode"]) == [0.5])
    #expect(try factor("several_with_default") == [3])
    #expect(try factor("several_with_default", ["signature": "other"]) == [4])
    #expect(try factor("one_of_another_name") == [5])
    #expect(try factor("several_with_default", ["tags": "serve", "intra_op_threads": "1"]) == [3])
    #expect(try load("other_tags", ["tags": "mine"]).metadata["tags"] == "mine")
  }

  @Test func `reads what a model says of itself`() throws {
    #expect(
      try load("several", ["signature": "encode"]).metadata == [
        "producer": "tensorflow 2.21.0", "signature": "encode", "signatures": "decode,encode",
        "method": "tensorflow/serving/predict", "tags": "serve",
      ])
    for name in ["weights", "add", "table", "loop"] { #expect(try load(name).metadata["keeps"] == nil, "\(name)") }
    #expect(try load("keeper").metadata["keeps"] == "AssignVariableOp")
  }

  // -- What it computes

  @Test(
    arguments: zip(
      1...13, ["f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool"]))
  func `serves every element type bit by bit`(dtype: Int, name: String) throws {
    let sizes = [4, 2, 2, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1]
    let bytes: [UInt8] = name == "bool" ? [1, 0, 1] : (0..<3 * sizes[dtype - 1]).map { UInt8($0 * 29 % 256) }
    let model = try load("identity_" + name)
    for _ in 0..<3 {
      #expect(
        try model.run([Tensor("INPUT0", dtype: dtype, [3], bytes)]) == [Tensor("OUTPUT0", dtype: dtype, [3], bytes)])
    }
    #expect(try model.run([Tensor("INPUT0", dtype: dtype, [0], [])]) == [Tensor("OUTPUT0", dtype: dtype, [0], [])])
  }

  @Test func `serves text, empty and with zero bytes`() throws {
    let text = ["", "größer", "a\0b", String(repeating: "x", count: 10_000), ""]
    let ticket = TestTicket()
    let identity = try load("identity_utf8")
    #expect(
      try identity.run([Tensor("INPUT0", [5], text: text)], ticket: ticket) == [Tensor("OUTPUT0", [5], text: text)])
    #expect(ticket.madeCount == 1)
    #expect(ticket.keptCount == 0)
    #expect(try identity.run([Tensor("INPUT0", [0], text: [])])[0].shape == [0])
    #expect(
      try load("text").run([Tensor("text", [2], text: ["ab", ""])]) == [
        Tensor("length", STADION_I32, [2], of: [Int32(2), 0]), Tensor("upper", [2], text: ["AB", ""]),
      ])
    #expect(try load("table").run([Tensor("word", [2], text: ["dog", "?"])])[0].numbers() == [Int64(8), -1])
  }

  @Test func `text leaves no memory behind`() throws {
    let model = try load("identity_utf8")
    let input = Tensor(
      "INPUT0", [2], text: [String(repeating: "x", count: 1 << 20), String(repeating: "y", count: 99)])
    func run(_ count: Int) throws { for _ in 0..<count { try model.run([input]) } }
    try run(20)
    let before = residentBytes()
    try run(400)
    // One of the strings a run would be 400 MB; other tests run meanwhile.
    #expect(residentBytes() - before < 150 << 20)
  }

  @Test func `follows shapes that depend on inputs or data`() throws {
    let x = floats("x", [3, 4], .init(repeating: 1, count: 12))
    #expect(try load("add").run([floats("y", [1, 4], [1, 2, 3, 4]), x])[0].shape == [3, 4])
    #expect(
      try load("any_rank").run([floats("INPUT0", [1, 2, 1], [1, 2])]) == [floats("OUTPUT0", [1, 2, 1], [1, 2])])
    #expect(try load("any_rank").run([floats("INPUT0", [], [7])]) == [floats("OUTPUT0", [], [7])])
    let found = try load("nonzero").run([floats("x", [4], [0, 1, 0, 2])])
    #expect(found == [Tensor("z", STADION_I64, [2, 1], of: [Int64(1), 3])])
    let filled = try load("fill").run([Tensor("s", STADION_I64, [2], of: [Int64(2), 0])])
    #expect(filled == [floats("z", [2, 0], [])])
    #expect(try load("constant").run([]) == [floats("z", [3], [1, 2, 3])])
  }

  @Test func `emits only the outputs that are wanted`() throws {
    let model = try load("two_outputs")
    let inputs = [floats("x", [1, 4], [5, 5, 5, 5]), floats("y", [1, 4], [1, 2, 3, 4])]
    #expect(try model.run(inputs).map(\.name) == ["difference", "sum"])
    #expect(try model.run(inputs, wanted: [1]) == [floats("sum", [1, 4], [6, 7, 8, 9])])
    #expect(try model.run(inputs, wanted: []) == [])
    #expect(try failure { try model.run(inputs, wanted: [2]) }?.code == STADION_INVALID_ARGUMENT)
  }

  @Test func `restores variables from their files`() throws {
    #expect(
      try load("weights").run([floats("x", [1, 4], [1, 1, 1, 1])]) == [floats("y", [1, 4], [1, 2, 3, 4])])
  }

  @Test func `answers like ONNX Runtime for real audio`() throws {
    try #require(TensorFlowSetup.isThere(TensorFlowSetup.basicPitch), "requires: the SavedModel basic_pitch")
    var seed: UInt32 = 12345
    let audio = (0..<43844).map { index -> Float in
      seed = seed &* 1_664_525 &+ 1_013_904_223
      let t = Double(index) / 22050
      let noise = Double(seed >> 8) / 16_777_216 - 0.5
      return Float(0.3 * sin(2 * .pi * 261.63 * t) + 0.2 * sin(2 * .pi * 440 * t) + 0.02 * noise)
    }
    func run(_ plugin: Plugin, _ library: String, _ path: String) throws -> [Tensor] {
      let model = try plugin.load(try plugin.create(["library": library]), path)
      let input = String(model.signature(outputs: false)[0].prefix { $0 != " " })
      return try model.run([floats(input, [1, 43844, 1], audio)])
    }
    let ours = try run(.tensorFlow, TensorFlowSetup.library, TensorFlowSetup.basicPitch)
    let theirs = try run(.onnxRuntime, TensorFlowSetup.onnxLibrary, TensorFlowSetup.basicPitchOnnx)
    for (name, place) in [("contour", ":0"), ("note", ":1"), ("onset", ":2")] {
      let a = try #require(ours.first { $0.name == name }).numbers(Float.self)
      let b = try #require(theirs.first { $0.name.hasSuffix(place) }).numbers(Float.self)
      let difference = zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
      #expect(a.count == b.count)
      #expect(difference <= 2e-6, "\(name) differs by \(difference)")
    }
  }

  // -- Memory of the caller

  @Test func `copies inputs that the graph keeps`() throws {
    let model = try load("keeper")
    let ones = [Float](repeating: 1, count: 64)
    #expect(try model.run([floats("x", [64], ones)]) == [floats("before", [64], .init(repeating: 0, count: 64))])
    // The memory of the first input was freed: had the variable held on to it, other numbers would come.
    #expect(try model.run([floats("x", [64], .init(repeating: 2, count: 64))]) == [floats("before", [64], ones)])
  }

  @Test func `answers no more when a model has kept an input`() throws {
    let model = try load("keeper", ["copy_inputs": "0"])
    for _ in 0..<2 {
      let found = try failure { try model.run([floats("x", [64], .init(repeating: 1, count: 64))]) }
      #expect(found?.code == STADION_INTERNAL)
      #expect(found?.message.contains("set option copy_inputs to 1") == true, "\(String(describing: found))")
    }
    let other = try load("identity_image", ["copy_inputs": "1"])
    let image = floats("INPUT0", [1, 3, 224, 224], (0..<150_528).map { Float($0) })
    #expect(try other.run([image])[0].bytes == image.bytes)
  }

  // -- Deadlines and concurrency

  private static func loop(_ steps: Int32) -> [Tensor] {
    [Tensor("steps", STADION_I32, [], of: [steps]), floats("x", [64, 64], .init(repeating: 0.5, count: 4096))]
  }

  @Test(.timeLimit(.minutes(1))) func `ends an endless run at its deadline, and the next one runs`() throws {
    let model = try load("loop")
    for _ in 0..<3 {
      let start = DispatchTime.now().uptimeNanoseconds
      let ticket = TestTicket(deadlineNanoseconds: monotonic() + 100_000_000)
      let found = try failure { try model.run(Self.loop(.max), ticket: ticket) }
      #expect(found?.code == STADION_DEADLINE_EXCEEDED)
      #expect(DispatchTime.now().uptimeNanoseconds - start >= 100_000_000)
    }
    #expect(
      try failure { try model.run(Self.loop(3), ticket: TestTicket(deadlineNanoseconds: 1)) }?.code
        == STADION_DEADLINE_EXCEEDED)
    #expect(try model.run(Self.loop(3)).count == 1)
    #expect(try model.run(Self.loop(3), ticket: TestTicket(deadlineNanoseconds: .max)).count == 1)
  }

  @Test func `starts no run that is cancelled`() throws {
    let ticket = TestTicket()
    ticket.cancel()
    #expect(try failure { try load("loop").run(Self.loop(.max), ticket: ticket) }?.code == STADION_CANCELLED)
  }

  @Test(.timeLimit(.minutes(1))) func `serves many runs at once, each with its own answer`() throws {
    let model = try load("add")
    let runs = (0..<4).map { worker in
      Background {
        for round in 0..<500 {
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

private func monotonic() -> UInt64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

private func residentBytes() -> Int {
  let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
  return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
}
