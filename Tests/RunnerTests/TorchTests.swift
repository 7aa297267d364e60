import CStadionRunner
import Foundation
import Testing

/// Where `make engines/torch` puts the runner, and scripts/setup-tests the models of Tests/Models/make_torch.cpp.
enum Torch {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let library = root + "/.stadion/engines/torch/libTorchRunner.so"
  static func model(_ name: String) -> String { root + "/.stadion/test-models/torch/\(name).pt" }

  static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
  /// With STADION_REQUIRE_ENGINES the tests run without the engine too, and fail.
  static let isReady =
    ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1" || isThere(library) && isThere(model("add"))

  static let plugin = Plugin(library)
}

@Suite(.enabled(if: Torch.isReady, "requires: torch (make engines/torch, then make test-setup)"))
struct `The torch runner` {
  let runner: OpaquePointer

  init() throws { runner = try Torch.plugin.create() }

  private func load(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try Torch.plugin.load(runner, Torch.model(name), options)
  }

  // -- What it says

  @Test func `says what it is`() {
    let table = Torch.plugin.raw.pointee
    #expect(String(cString: table.id) == "org.stadion.torch")
    #expect(String(cString: table.engine!).hasPrefix("libtorch 1.13."))
    #expect(table.device(0)!.pointee.flags == UInt64(1))  // dynamic shapes; libtorch can't be interrupted
    #expect(table.device(1) == nil)
  }

  @Test func `takes types and shapes from the options`() throws {
    let model = try load("plain", ["inputs": "y:f64[] x:f64[2,-1]", "outputs": "sum:f64[2,-1]"])
    #expect(model.signature(outputs: false) == ["y 4 []", "x 4 [2, -1]"])
    #expect(model.signature(outputs: true) == ["sum 4 [2, -1]"])
    #expect(model.metadata == ["forward": "forward(__torch__.plain self, Tensor x, Tensor y) -> Tensor"])
    let y = Tensor("y", STADION_F64, [], of: [0.5])
    let x = Tensor("x", STADION_F64, [2, 2], of: [1.0, 2, 3, 4])
    #expect(try model.run([y, x]) == [Tensor("sum", STADION_F64, [2, 2], of: [1.5, 2.5, 3.5, 4.5])])
  }

  @Test func `takes them from the file where the options are silent`() throws {
    let model = try load("add")
    #expect(model.signature(outputs: false) == ["x 1 [-1, 4]", "y 1 [-1, 4]"])
    #expect(try load("add", ["outputs": "sum:f32[-1,-1]"]).signature(outputs: true) == ["sum 1 [-1, -1]"])
  }

  @Test func `says what to write where nobody does`() throws {
    func message(_ name: String, _ options: [String: String] = [:]) throws -> String {
      let found = try failure { try load(name, options) }
      #expect(found?.code == STADION_INVALID_ARGUMENT)
      return found?.message ?? ""
    }
    let words = #""options": {"inputs": "x:f32[-1,3] y:f32[-1,3]", "outputs": "OUTPUT__0:f32[-1,10]"}"#
    #expect(try message("plain").hasSuffix(words))
    #expect(try message("plain", ["inputs": "x:f32[-1] y:f32[-1]"]).hasSuffix(words))
    #expect(try message("plain", ["outputs": "z:f32[-1]"]).hasSuffix(words))
    #expect(
      try message("add", ["inputs": "x:f32[4]"])
        == "option inputs lacks y of forward(__torch__.add self, Tensor x, Tensor y) -> Tensor")
    #expect(
      try message("add", ["inputs": "x:f32[4] q:f32[4] y:f32[4]"])
        == "option inputs names q, which is no argument of forward(__torch__.add self, Tensor x, Tensor y) -> Tensor")
    #expect(
      try message("tuple", ["outputs": "a:f32[-1]"]) == "option outputs names 1 tensors and forward returns 2")
    #expect(
      try message("named_tuple", ["outputs": "other:f32[-1]"])
        == "option outputs names other, which is no field of what forward returns")
  }

  // -- What it computes

  @Test(
    arguments: [
      ("f32", STADION_F32, 4), ("f16", STADION_F16, 2), ("bf16", STADION_BF16, 2), ("f64", STADION_F64, 8),
      ("i8", STADION_I8, 1), ("i16", STADION_I16, 2), ("i32", STADION_I32, 4), ("i64", STADION_I64, 8),
      ("u8", STADION_U8, 1), ("bool", STADION_BOOL, 1),
    ])
  func `serves every element type bit by bit`(name: String, dtype: Int, size: Int) throws {
    let bytes: [UInt8] = name == "bool" ? [1, 0, 1] : (0..<3 * size).map { UInt8($0 * 29 % 256) }
    let ticket = TestTicket()
    let outputs = try load("identity_" + name).run([Tensor("x", dtype: dtype, [3], bytes)], ticket: ticket)
    #expect(outputs == [Tensor("y", dtype: dtype, [3], bytes)])
    #expect(ticket.madeCount == 1 && ticket.keptCount == 0)
  }

  @Test(arguments: ["none", "freeze", "inference"])
  func `gives what the network gives without TorchScript, for any batch`(optimization: String) throws {
    let expected = try Data(contentsOf: URL(fileURLWithPath: Torch.root + "/.stadion/test-models/torch/cnn.expected"))
    let wanted = expected.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let model = try load("cnn", ["optimization": optimization])
    let images = (0..<3 * 784).map { sinf(Float($0)) }
    // Again and again: libtorch watches the first runs, then compiles for what it saw.
    for batch in [3, 1, 3, 2, 1, 0, 3] {
      let outputs = try model.run([floats("image", [Int64(batch), 1, 28, 28], Array(images[..<(batch * 784)]))])
      let found = outputs[0].numbers(Float.self)
      #expect(outputs[0].shape == [Int64(batch), 4] && found.count == batch * 4)
      #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-5 }, "\(found) \(wanted)")
    }
  }

  @Test func `serves tuples by place, and dictionaries and named tuples by name`() throws {
    let inputs = [floats("x", [2], [5, 6]), floats("y", [2], [1, 2])]
    let (sum, difference, x) = ([6, 8] as [Float], [4, 4] as [Float], [5, 6] as [Float])
    #expect(
      try load("tuple").run(inputs) == [floats("OUTPUT__0", [2], sum), floats("OUTPUT__1", [2], difference)])
    #expect(
      try load("tuple", ["outputs": "a:f32[-1] b:f32[-1]"]).run(inputs)
        == [floats("a", [2], sum), floats("b", [2], difference)])
    #expect(try load("dict").run(inputs) == [floats("difference", [2], difference), floats("sum", [2], sum)])
    #expect(try load("named_tuple").run(inputs) == [floats("copy", [2], x), floats("sum", [2], sum)])
    #expect(try load("named_tuple", ["outputs": "sum:f32[2]"]).run(inputs) == [floats("sum", [2], sum)])
  }

  @Test func `serves lists of as many tensors as were declared`() throws {
    let model = try load("list")
    func run(_ count: Int64) throws -> [Tensor] {
      try model.run([floats("x", [1], [5]), Tensor("n", STADION_I64, [], of: [count])])
    }
    #expect(try run(1) == [floats("a", [1], [5]), floats("b", [1], [5])])
    let found = try failure { try run(2) }
    #expect(found?.code == STADION_INTERNAL)
    #expect(found?.message == "the model returned 3 tensors; its option outputs names 2")
  }

  @Test func `emits only the outputs that are wanted`() throws {
    let model = try load("tuple")
    let inputs = [floats("x", [1], [5]), floats("y", [1], [1])]
    #expect(try model.run(inputs, wanted: [1]) == [floats("OUTPUT__1", [1], [4])])
    #expect(try model.run(inputs, wanted: []) == [])
    #expect(try failure { try model.run(inputs, wanted: [2]) }?.message == "there is no output 2")
  }

  @Test func `puts elements in order that libtorch has in another`() throws {
    let ticket = TestTicket()
    let outputs = try load("transpose").run([floats("x", [2, 3], [1, 2, 3, 4, 5, 6])], ticket: ticket)
    #expect(outputs == [floats("y", [3, 2], [1, 4, 2, 5, 3, 6])])
    #expect(ticket.madeCount == 1)
  }

  @Test func `leaves alone what arguments have defaults for`() throws {
    #expect(try load("defaults").run([floats("x", [1], [4])]) == [floats("y", [1], [8])])
    let biased = try load("defaults", ["inputs": "bias:f32[1] x:f32[1]"])
    #expect(try biased.run([floats("bias", [1], [3]), floats("x", [1], [4])]) == [floats("y", [1], [11])])
    #expect(try load("no_input").run([]) == [floats("y", [3], [1, 1, 1])])
  }

  @Test func `gives a model that writes to its input a copy of it`() throws {
    // Read-only inputs, as in a runner's process, are tried by the conformance kit.
    for optimization in ["none", "freeze"] {
      let model = try load("writes_input", ["optimization": optimization])
      #expect(try model.run([floats("x", [1], [4]), floats("y", [1], [1])]) == [floats("z", [1], [6])])
    }
  }

  // -- What it refuses

  @Test(arguments: [
    ("returns_int", STADION_UNSUPPORTED, "forward returns int"),
    ("takes_list", STADION_UNSUPPORTED, "argument x of forward is List[Tensor]"),
    ("no_forward", STADION_INVALID_ARGUMENT, "no method forward"),
    ("missing", STADION_NOT_FOUND, "can't be opened: No such file"),
  ])
  func `refuses a file it can't serve`(name: String, code: Int, part: String) throws {
    let found = try failure { try load(name) }
    #expect(found?.code == code)
    #expect(found?.message.contains(part) == true, "\(found?.message ?? "")")
  }

  @Test func `refuses what is cut off, empty or noise, in one line of libtorch's`() throws {
    let file = NSTemporaryDirectory() + "stadion-torch-\(UUID().uuidString).pt"
    defer { try? FileManager.default.removeItem(atPath: file) }
    let whole = try Data(contentsOf: URL(fileURLWithPath: Torch.model("cnn")))
    let cuts = stride(from: 0, to: whole.count, by: 500).map { whole.prefix($0) }
    for bytes in cuts + [Data((0..<4096).map { UInt8($0 * 7 % 256) }), whole.dropFirst(100)] {
      try bytes.write(to: URL(fileURLWithPath: file))
      let found = try failure { try Torch.plugin.load(runner, file) }
      #expect(found?.code == STADION_INVALID_ARGUMENT && found?.source == "libtorch")
      #expect(found?.message.isEmpty == false && found?.message.contains("\n") == false)
      #expect(found?.message.contains(file) == false)
    }
    #expect(try failure { try Torch.plugin.load(runner, NSTemporaryDirectory()) }?.code == STADION_INVALID_ARGUMENT)
  }

  @Test func `names what is wrong with a request`() throws {
    let model = try load("add")
    let x = floats("x", [1, 4], [1, 2, 3, 4])
    func message(_ inputs: [Tensor]) throws -> String? {
      let found = try failure { try model.run(inputs) }
      #expect(found?.code == STADION_INVALID_ARGUMENT)
      return found?.message
    }
    #expect(try message([x]) == "the model has 2 inputs, and 1 were given")
    #expect(try message([x, x]) == "input 1 is x; want y")
    #expect(
      try message([x, Tensor("y", STADION_I32, [1, 4], of: [Int32(1), 2, 3, 4])])
        == "input y is i32[1,4]; the model wants f32[-1,4]")
    #expect(try message([x, floats("y", [4], [1, 2, 3, 4])]) == "input y is f32[4]; the model wants f32[-1,4]")
    #expect(try message([x, floats("y", [-1, 4], [])]) == "input y is f32[-1,4]; the model wants f32[-1,4]")
    #expect(try message([x, floats("y", [2, 4], [1, 2])]) == "input y has 8 bytes; f32[2,4] has 32")
    #expect(
      try message([x, floats("y", [1 << 62, 4], [])])
        == "input y has 0 bytes; f32[4611686018427387904,4] has \(UInt64.max)")
    #expect(
      try message([
        floats("x", [2, 4], [Float](repeating: 1, count: 8)), floats("y", [3, 4], [Float](repeating: 1, count: 12)),
      ])
        == "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0")
  }

  @Test(
    arguments: [
      ("wrong_type", [1, 4], "output y is i64[1]; the model's option outputs says f32[-1]"),
      ("wrong_rank", [1, 4], "output y is f32[]; the model's option outputs says f32[-1,4]"),
      ("wrong_size", [4], "output y is f32[8]; the model's option outputs says f32[3]"),
      ("wrong_name", [4], "the model returned no output y, but z"),
      ("sparse", [4], "output y is no dense tensor in host memory; the model's option outputs says f32[-1]"),
    ] as [(String, [Int64], String)])
  func `refuses outputs that weren't declared`(name: String, shape: [Int64], message: String) throws {
    let found = try failure { try load(name).run([floats("x", shape, [1, 2, 3, 4])]) }
    #expect(found?.code == STADION_INTERNAL)
    #expect(found?.message == message)
  }

  @Test func `passes on what a model says against its input`() throws {
    let model = try load("raises")
    let found = try failure { try model.run([floats("x", [1], [-1])]) }
    #expect(found?.code == STADION_INVALID_ARGUMENT && found?.source == "libtorch")
    #expect(found?.message.contains("x is below zero") == true, "\(found?.message ?? "")")
    #expect(try model.run([floats("x", [1], [1])]) == [floats("y", [1], [1])])
  }

  @Test func `says when there is no memory, the tenant's or the machine's`() throws {
    let ticket = TestTicket(quota: 10)
    let quota = try failure {
      try load("tuple").run([floats("x", [2], [1, 2]), floats("y", [2], [1, 2])], ticket: ticket)
    }
    #expect(quota?.code == STADION_RESOURCE_EXHAUSTED)
    #expect(quota?.message == "no memory for output OUTPUT__1 of 8 bytes")
    #expect(ticket.keptCount == 0)
    let huge = try failure { try load("huge").run([floats("x", [], [1])], ticket: TestTicket(quota: 1 << 40)) }
    #expect(huge?.message == "no memory for output y of 4000000000000000 bytes")
    let machine = try failure { try load("allocates").run([floats("x", [], [1])]) }
    #expect(machine?.code == STADION_RESOURCE_EXHAUSTED)
    #expect(machine?.message.hasPrefix("DefaultCPUAllocator: can't allocate memory") == true)
  }

  @Test(arguments: [
    "x", "x:f32", ":f32[1]", "x:f33[1]", "x:utf8[1]", "x:u16[1]", "x:u32[1]", "x:u64[1]", "x:f32[1", "x:f32[1]]",
    "x:f32[1,]", "x:f32[,1]", "x:f32[-2]",
    "x:f32[+1]", "x:f32[a]", "x:f32[9223372036854775808]", "x:f32[1,1,1,1,1,1,1,1,1]", "x:f32[1] x:f32[1]",
    "\u{1}:f32[1]", "ü:f32[1]", "x:f32[1]\0",
    String(repeating: "x", count: 256) + ":f32[1]", (0...64).map { "x\($0):f32[1]" }.joined(separator: " "),
  ])
  func `refuses malformed signatures`(text: String) throws {
    for option in ["inputs", "outputs"] {
      let found = try failure { try load("identity_f32", [option: text]) }
      #expect(found?.code == STADION_INVALID_ARGUMENT)
      #expect(found?.message.hasPrefix("option \(option)") == true, "\(found?.message ?? "")")
    }
  }

  @Test(arguments: [
    ["intra_op_threads": "0"], ["intra_op_threads": "5000"], ["intra_op_threads": "1x"], ["intra_op_treads": "1"],
    ["optimization": "most"], ["inputs": "x:f32[1]"],
  ])
  func `refuses options of the runner that it doesn't understand`(options: [String: String]) throws {
    let found = try failure { try Torch.plugin.create(options) }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
    #expect(found?.message.contains(options.keys.first!) == true)
  }

  @Test func `refuses options of a model that it doesn't understand`() throws {
    for (key, value) in ["intra_op_threads": "1", "optimization": "", "threads": "1"] {
      #expect(try failure { try load("add", [key: value]) }?.message.contains(key) == true)
    }
  }

  // -- Cancel and concurrency

  @Test func `doesn't begin what is cancelled already`() throws {
    let ticket = TestTicket()
    ticket.cancel()
    let model = try load("no_input")
    #expect(try failure { try model.run([], ticket: ticket) }?.code == STADION_CANCELLED)
    let loading = try failure { try Torch.plugin.load(runner, Torch.model("add"), ticket: ticket) }
    #expect(loading?.code == STADION_CANCELLED)
  }

  @Test(.timeLimit(.minutes(1))) func `serves four runs at once, each with its own answer`() throws {
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
