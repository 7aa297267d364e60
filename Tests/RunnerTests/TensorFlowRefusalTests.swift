import CStadionRunner
import Foundation
import Testing

/// Requests and files that must fail with a reason: some of them end the process in TensorFlow, or give wrong answers.
@Suite(.enabled(if: TensorFlowSetup.isReady, TensorFlowSetup.needs)) struct `The TensorFlow runner refuses` {
  let fixture: TensorFlowFixture

  init() throws { fixture = try TensorFlowFixture() }

  private func load(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try fixture.load(name, options)
  }

  // -- Requests

  @Test func `an input that is missing, unknown or of another kind, by name`() throws {
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
    #expect(try message([x, floats("y", [2, 4], [1, 2, 3, 4])]) == "input y has 16 bytes; shape [2, 4] needs 32")
    #expect(
      try message([
        floats("x", [2, 4], .init(repeating: 1, count: 8)), floats("y", [3, 4], .init(repeating: 1, count: 12)),
      ])?.contains("Incompatible shapes") == true)
  }

  @Test(arguments: [[6], [3, 2], [1, 2, 3], [2, 3, 1], []] as [[Int64]])
  func `another shape with the right number of elements`(shape: [Int64]) throws {
    let found = try failure { try load("static").run([floats("INPUT0", shape, [1, 2, 3, 4, 5, 6])]) }
    #expect(found?.message == "input INPUT0 has shape \(shape); the model wants [2, 3]")
  }

  @Test(
    arguments: [
      [-1], [-1, -1], [.min], [.max], [.max, 8], [1 << 40, 1 << 40], [1 << 40, 1 << 40, 0], [0, .max, .max], [-1, 0],
    ] as [[Int64]])
  func `a shape that ends the process in the engine`(shape: [Int64]) throws {
    for (name, type) in [("any_rank", STADION_F32), ("identity_utf8", STADION_UTF8)] {
      let found = try failure { try load(name).run([Tensor("INPUT0", dtype: type, shape, [])]) }
      #expect(found?.code == STADION_INVALID_ARGUMENT, "\(String(describing: found))")
    }
  }

  @Test(
    arguments: [
      (4, [2] as [Int64], [1, 0, 0, 0, 65, 9, 0, 0, 0, 65]), (1, [2], [0, 0, 0]), (1, [1], [1, 0, 0, 0]),
      (1, [1], [0, 0, 0, 0, 0]), (1, [1 << 40], [0, 0, 0, 0]), (1, [.max], []), (1, [1], [255, 255, 255, 255, 1]),
    ] as [(Int, [Int64], [UInt8])])
  func `text whose byte counts lie`(_: Int, shape: [Int64], bytes: [UInt8]) throws {
    let model = try load("identity_utf8")
    let found = try failure { try model.run([Tensor("INPUT0", dtype: STADION_UTF8, shape, bytes)]) }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
  }

  @Test func `a division by zero, and answers the next run`() throws {
    let model = try load("divide")
    func divide(_ by: Int32) throws -> [Int32] {
      let x = Tensor("x", STADION_I32, [4], of: [Int32](repeating: 6, count: 4))
      return try model.run([x, Tensor("y", STADION_I32, [4], of: [Int32](repeating: by, count: 4))])[0].numbers()
    }
    let found = try failure { try divide(0) }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
    #expect(found?.source == "tensorflow")
    #expect(try divide(2) == [3, 3, 3, 3])
  }

  @Test func `an output that no memory is big enough for`() throws {
    let model = try load("fill")
    let huge = try failure { try model.run([Tensor("s", STADION_I64, [2], of: [Int64(1) << 20, 1 << 22])]) }
    #expect(huge?.code == STADION_RESOURCE_EXHAUSTED, "\(String(describing: huge))")
    for shape in [[Int64(-1), 1], [1 << 40, 1 << 40]] {
      #expect(try failure { try model.run([Tensor("s", STADION_I64, [2], of: shape)]) }?.source == "tensorflow")
    }
  }

  @Test func `text over the tenant's quota`() throws {
    let ticket = TestTicket(quota: 100)
    let text = [String(repeating: "x", count: 200)]
    let found = try failure { try load("identity_utf8").run([Tensor("INPUT0", [1], text: text)], ticket: ticket) }
    #expect(found?.code == STADION_RESOURCE_EXHAUSTED)
    #expect(ticket.keptCount == 0)
  }

  // -- Files

  @Test(arguments: [
    ("complex", STADION_UNSUPPORTED, "input INPUT0 has elements of type complex64"),
    ("qint8", STADION_UNSUPPORTED, "qint8"), ("rank9", STADION_UNSUPPORTED, "9 dimensions"),
    ("sparse", STADION_UNSUPPORTED, "input x is not one dense tensor"),
    ("no_signature", STADION_UNSUPPORTED, "no signature"),
    ("several", STADION_INVALID_ARGUMENT, "the signatures decode, encode; set option signature"),
    ("wrong_type", STADION_INVALID_ARGUMENT, "input x is i32 in the signature, but f32 in the graph"),
    ("unknown_operation", STADION_INVALID_ARGUMENT, "nothing:0"),
    ("unknown_output", STADION_INVALID_ARGUMENT, "serving_default_x:1"),
    ("negative_output", STADION_INVALID_ARGUMENT, "serving_default_x:-1"),
    ("no_variables", STADION_INVALID_ARGUMENT, "there is no variables/variables.index"),
    ("no_graph", STADION_NOT_FOUND, "no saved_model.pb"), ("missing", STADION_NOT_FOUND, "no saved_model.pb"),
  ])
  func `a model that it can't serve`(name: String, code: Int, part: String) throws {
    let found = try failure { try load(name) }
    #expect(found?.code == code, "\(String(describing: found))")
    #expect(found?.message.contains(part) == true, "\(String(describing: found))")
  }

  @Test(arguments: ["no_shard", "short_shard", "other_tags", "unknown_kind", "truncated", "empty", "garbage"])
  func `what the engine can't load, with its words`(name: String) throws {
    let found = try failure { try load(name) }
    #expect(found?.source == "tensorflow" || found?.code == Int(STADION_UNSUPPORTED), "\(String(describing: found))")
    #expect(found?.message.isEmpty == false)
  }

  @Test func `or loads a file with some changed bytes, and lives`() throws {
    let original = Array(try Data(contentsOf: URL(fileURLWithPath: TensorFlowSetup.model("add") + "/saved_model.pb")))
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("stadion-tf-\(getpid())")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = seed
    func next(_ limit: Int) -> Int {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((random >> 33) % UInt64(limit))
    }
    var refusals = 0
    for _ in 0..<50 {
      var bytes = original
      for _ in 0...next(4) { bytes[next(bytes.count)] = UInt8(next(256)) }
      try Data(bytes).write(to: folder.appendingPathComponent("saved_model.pb"))
      if let found = try failure({ try Plugin.tensorFlow.load(fixture.runner, folder.path) }) {
        refusals += 1
        #expect(!found.message.isEmpty, "seed \(seed)")
      }
    }
    #expect(refusals > 0, "seed \(seed)")
  }

  // -- Options

  @Test(arguments: [
    ["intra_op_threads": "0"], ["intra_op_threads": "500"], ["inter_op_threads": "x"], ["signature": "none"],
    ["sigature": "x"], ["copy_inputs": "maybe"], ["library": "/tmp/x.so"],
  ])
  func `options it doesn't understand`(options: [String: String]) throws {
    let found = try failure { try load("add", options) }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
    #expect(found?.message.contains(options.keys.first!) == true)
  }

  @Test func `a model, or a second runner, that wants another number of threads`() throws {
    let cores = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    try #require(cores > 1, "one core allows one number alone")
    let found = try failure { try load("add", ["intra_op_threads": "2"]) }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
    #expect(found?.message.contains("threads serve all models of the runner, which has 1") == true)
    let other = try failure {
      try Plugin.tensorFlow.create(["library": TensorFlowSetup.library, "intra_op_threads": "2"])
    }
    #expect(other?.code == STADION_FAILED_PRECONDITION)
  }

  @Test func `to start without its engine's library, or with another one`() throws {
    let none = try failure { try Plugin.tensorFlow.create() }
    #expect(none?.code == STADION_INVALID_ARGUMENT)
    #expect(none?.message.contains("make engines/tensorflow") == true)
    let other = try failure { try Plugin.tensorFlow.create(["library": "/nowhere/libtensorflow_cc.so.2"]) }
    #expect(other?.code == STADION_FAILED_PRECONDITION)
  }
}

private func floats(_ name: String, _ shape: [Int64], _ numbers: [Float]) -> Tensor {
  Tensor(name, STADION_F32, shape, of: numbers)
}
