import CStadionRunner
import Foundation
import Testing

/// Where `make` puts the engine and the models that these tests need; see Tests/Models/make_onnx.py and make_ir.py.
private enum Setup {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let library = root + "/.stadion/engines/openvino/libopenvino_c.so.2641"
  static let cores = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  static func onnx(_ name: String) -> String { root + "/.stadion/test-models/onnx/\(name).onnx" }
  static func ir(_ name: String) -> String { root + "/.stadion/test-models/ir/\(name)/model.xml" }

  static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
  /// With STADION_REQUIRE_ENGINES the tests run without the engine too, and fail.
  static let isRequired = ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] != nil
  static let isReady = isRequired || isThere(library) && isThere(onnx("identity")) && isThere(ir("add"))
}

extension Plugin {
  fileprivate static let openVINO = Plugin("libOpenVINORunner.so", options: ["library": Setup.library])
}

// One after the other: the engine keeps one last message for the whole process, and each test reads its own.
@Suite(.serialized, .enabled(if: Setup.isReady, "requires: openvino (make test-setup)"))
struct `The OpenVINO runner` {
  let runner: OpaquePointer

  init() throws { runner = try Plugin.openVINO.create(["library": Setup.library]) }

  private func onnx(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try Plugin.openVINO.load(runner, Setup.onnx(name), options)
  }

  private func ir(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try Plugin.openVINO.load(runner, Setup.ir(name), options)
  }

  // -- What it says

  @Test func `asks the engine for its devices before a runner is created`() throws {
    let device = try #require(Plugin.openVINO.raw.pointee.device(0)?.pointee)
    #expect(String(cString: device.kind_name) == "cpu")
    // Not "CPU", which stands for an engine that wasn't asked.
    #expect(String(cString: device.name) != "CPU")
    #expect(Int(device.max_concurrent_runs) == Setup.cores)
    #expect(String(cString: Plugin.openVINO.raw.pointee.engine!) == "openvino 2026.4.1")
  }

  @Test func `reads inputs, outputs and open dimensions`() throws {
    #expect(try onnx("identity").signature(outputs: false) == ["INPUT0 1 [-1, 16]"])
    #expect(try onnx("identity").signature(outputs: true) == ["OUTPUT0 1 [-1, 16]"])
    #expect(try onnx("scalar").signature(outputs: false) == ["INPUT0 1 []"])
    #expect(try onnx("constant").signature(outputs: false) == [])
    #expect(try ir("bounded").signature(outputs: false) == ["x 1 [-1, 4]"])
    #expect(try ir("add").metadata == ["graph": "add"])
    #expect(try onnx("add").metadata == [:])
  }

  // -- What it computes

  @Test(
    arguments: zip(
      [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13],
      ["f32", "f16", "bf16", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool"]))
  func `serves every element type bit by bit`(dtype: Int, name: String) throws {
    let sizes = [4, 2, 2, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1]
    var bytes: [UInt8] = name == "bool" ? [1, 0, 1] : (0..<3 * sizes[dtype - 1]).map { UInt8($0 * 29 % 256) }
    // Within 31 bits.
    if name.hasSuffix("64") { for place in bytes.indices where place % 8 >= 3 { bytes[place] = 0 } }
    if name == "u32" { for place in bytes.indices where place % 4 == 3 { bytes[place] = 7 } }
    let ticket = TestTicket()
    let outputs = try onnx("identity_" + name).run([Tensor("INPUT0", dtype: dtype, [3], bytes)], ticket: ticket)
    #expect(outputs == [Tensor("OUTPUT0", dtype: dtype, [3], bytes)])
    #expect(ticket.madeCount == 1)
    #expect(ticket.keptCount == 0)
  }

  @Test func `writes outputs of known shape into the host's memory`() throws {
    let ticket = TestTicket()
    let image = (0..<150_528).map { Float($0) }
    let output = try onnx("identity_image").run([floats("INPUT0", [1, 3, 224, 224], image)], ticket: ticket)
    #expect(output == [floats("OUTPUT0", [1, 3, 224, 224], image)])
    #expect(ticket.madeCount == 1)
    #expect(try onnx("scalar").run([floats("INPUT0", [], [7])]) == [floats("OUTPUT0", [], [7])])
  }

  @Test func `infers the shapes of outputs from those of inputs`() throws {
    let model = try onnx("add")
    let ticket = TestTicket()
    for rows in [1, 3, 2, 3, 1] as [Int64] {
      let ones = [Float](repeating: 1, count: Int(rows) * 4)
      let output = try model.run([floats("x", [rows, 4], ones), floats("y", [rows, 4], ones)], ticket: ticket)
      #expect(output == [floats("z", [rows, 4], ones.map { $0 * 2 })])
    }
    // One for each run: none was copied.
    #expect(ticket.madeCount == 5)
    let row = floats("x", [1, 4], [1, 2, 3, 4])
    #expect(try model.run([row, floats("y", [3, 4], .init(repeating: 1, count: 12))])[0].shape == [3, 4])
    #expect(try model.run([floats("x", [0, 4], []), floats("y", [0, 4], [])]) == [floats("z", [0, 4], [])])
  }

  @Test func `sees what is new where the last run's tensors were`() throws {
    let model = try onnx("add")
    for number in 0..<8 {
      let rows = number % 4 == 3 ? 2 : 1
      let x = (0..<rows * 4).map { Float($0 + number) }
      let sum = floats("z", [Int64(rows), 4], x.map { $0 + Float(number) })
      let y = floats("y", [Int64(rows), 4], .init(repeating: Float(number), count: rows * 4))
      #expect(try model.run([floats("x", [Int64(rows), 4], x), y]) == [sum])
      let short = floats("y", [3, 4], .init(repeating: 1, count: 12))
      if rows == 2 { #expect(throws: Failure.self) { try model.run([floats("x", [2, 4], x), short]) } }
    }
  }

  @Test func `emits only the outputs that are wanted`() throws {
    let model = try onnx("two_outputs")
    let inputs = [floats("x", [1, 4], [5, 5, 5, 5]), floats("y", [1, 4], [1, 2, 3, 4])]
    let sum = floats("sum", [1, 4], [6, 7, 8, 9])
    let difference = floats("difference", [1, 4], [4, 3, 2, 1])
    // The memory that an earlier run has written to is the host's again.
    for _ in 0..<3 {
      #expect(try model.run(inputs) == [sum, difference])
      #expect(try model.run(inputs, wanted: [1]) == [difference])
      #expect(try model.run(inputs, wanted: [0]) == [sum])
    }
    #expect(try model.run(inputs, wanted: []) == [])
    #expect(try failure { try model.run(inputs, wanted: [2]) }?.code == STADION_INVALID_ARGUMENT)
  }

  @Test func `serves outputs whose shape depends on the data`() throws {
    let model = try onnx("nonzero")
    let found = try model.run([floats("x", [4], [0, 1, 0, 2])])
    #expect(found == [Tensor("z", STADION_I64, [1, 2], of: [Int64(1), 3])])
    #expect(try model.run([floats("x", [4], [0, 0, 0, 0])])[0].shape == [1, 0])
    #expect(try onnx("constant").run([]) == [floats("z", [3], [1, 2, 3])])
    // Declares a wrong shape; the engine knows better.
    #expect(try onnx("liar").run([floats("x", [2], [1, 2])]) == [floats("z", [4], [1, 2, 1, 2])])
  }

  @Test func `computes in f32 unless told otherwise`() throws {
    let ones = floats("x", [1, 64], .init(repeating: 1, count: 64))
    let exact: Float = 64 + 64 / 1024
    #expect(try ir("dot").run([ones])[0].numbers() == [exact])
    // bf16 has 8 bits for what f32 has 24 for.
    let rounded = try ir("dot", ["precision": "bf16"]).run([ones])[0].numbers(Float.self)[0]
    #expect(abs(rounded - exact) <= 1)
  }

  @Test func `starts each run from the same state`() throws {
    let model = try ir("sum")
    for _ in 0..<3 {
      #expect(try model.run([floats("x", [4], [1, 2, 3, 4])])[0].numbers() == [Float(1), 2, 3, 4])
    }
  }

  // -- What the engine would answer wrongly without a word

  @Test func `refuses shapes that don't go together, and goes on`() throws {
    let model = try ir("add")
    let two = [Float](repeating: 1, count: 8)
    let three = [Float](repeating: 1, count: 12)
    for _ in 0..<3 {
      let found = try failure { try model.run([floats("x", [2, 4], two), floats("y", [3, 4], three)]) }
      #expect(found?.code == STADION_INVALID_ARGUMENT)
      #expect(found?.message.hasPrefix("the inputs' shapes don't go together: ") == true, "\(found?.message ?? "")")
      #expect(try model.run([floats("x", [2, 4], two), floats("y", [2, 4], two)])[0].shape == [2, 4])
    }
    // What it would be: an empty output, with success.
    let unchecked = try ir("add", ["check_shapes": "0"])
    let outputs = try? unchecked.run([floats("x", [2, 4], two), floats("y", [3, 4], three)])
    #expect(outputs?[0].bytes.isEmpty != false)
  }

  @Test(arguments: [Int64(1) << 31, -(1 << 31) - 1, .max, .min])
  func `refuses whole numbers of more than 32 bits`(number: Int64) throws {
    let model = try ir("add_i64")
    let found = try failure {
      try model.run([
        Tensor("x", STADION_I64, [2], of: [1, number]), Tensor("y", STADION_I64, [2], of: [Int64(1), 1]),
      ])
    }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
    #expect(found?.message.contains("holds \(number), but OpenVINO computes i64 in 32 bits") == true)
    let sum = try model.run([
      Tensor("x", STADION_I64, [2], of: [Int64(Int32.max), -5]), Tensor("y", STADION_I64, [2], of: [Int64(0), -6]),
    ])
    #expect(sum[0].numbers() == [Int64(Int32.max), -11])
  }

  @Test func `refuses whole numbers without a sign where the sign would be`() throws {
    let model = try ir("halve_u32")
    #expect(try model.run([Tensor("x", STADION_U32, [1], of: [UInt32(6)])])[0].numbers() == [UInt32(3)])
    let found = try failure { try model.run([Tensor("x", STADION_U32, [1], of: [UInt32(3_000_000_000)])]) }
    #expect(found?.message.contains("holds 3000000000") == true)
  }

  @Test func `names the input that is missing, unknown or of another kind`() throws {
    let model = try onnx("add")
    let x = floats("x", [1, 4], [1, 2, 3, 4])
    let y = floats("y", [1, 4], [1, 2, 3, 4])
    func message(_ inputs: [Tensor], _ model: LoadedModel) throws -> String? {
      let failure = try failure { try model.run(inputs) }
      #expect(failure?.code == STADION_INVALID_ARGUMENT)
      return failure?.message
    }
    #expect(try message([x], model) == "input y is missing")
    #expect(try message([x, y, floats("q", [1], [1])], model) == "the model has no input q")
    #expect(try message([x, y, y], model) == "an input was given twice")
    #expect(
      try message([x, Tensor("y", STADION_I32, [1, 4], of: [Int32(1), 2, 3, 4])], model)
        == "input y is i32; the model wants f32")
    #expect(
      try message([x, floats("y", [4], [1, 2, 3, 4])], model) == "input y has shape [4]; the model wants [-1, 4]")
    #expect(
      try message([x, floats("y", [1, 3], [1, 2, 3])], model) == "input y has shape [1, 3]; the model wants [-1, 4]")
    #expect(
      try message([x, floats("y", [2, 4], [1, 2, 3, 4])], model)
        == "input y has 16 bytes; shape [2, 4] needs another size")
    #expect(
      try message([floats("x", [9, 4], .init(repeating: 1, count: 36))], ir("bounded"))
        == "input x has shape [9, 4]; the model wants [1...8, 4]")
    #expect(try message([x, floats("y", [1 << 40, 4], [])], model)?.contains("has shape") == true)
  }

  // -- What it refuses to load

  @Test(arguments: [
    ("sequence", STADION_UNSUPPORTED, "No conversion rule"), ("float8", STADION_UNSUPPORTED, "OpenVINO's type"),
    ("int4", STADION_UNSUPPORTED, "OpenVINO's type"), ("rank9", STADION_UNSUPPORTED, "9 dimensions"),
    ("concat_text", STADION_UNSUPPORTED, "StringConcat"), ("any_rank", STADION_UNSUPPORTED, "dynamic rank"),
    ("identity_f64", STADION_UNSUPPORTED, "INPUT0 is f64, which OpenVINO computes in f32"),
    ("identity_utf8", STADION_UNSUPPORTED, "INPUT0 is text"),
    ("unknown_operator", STADION_UNSUPPORTED, "NoSuchOperator"), ("too_few_weights", STADION_INVALID_ARGUMENT, "'w'"),
    ("cycle", STADION_INVALID_ARGUMENT, "the graph uses b, "), ("empty", STADION_INVALID_ARGUMENT, ""),
    ("garbage", STADION_INVALID_ARGUMENT, ""),
    ("truncated", STADION_INVALID_ARGUMENT, ""), ("text", STADION_INVALID_ARGUMENT, ""),
    ("missing", STADION_NOT_FOUND, ""),
  ])
  func `refuses a file it can't serve`(name: String, code: Int, part: String) throws {
    let found = try failure { try onnx(name) }
    #expect(found?.code == code, "\(found?.message ?? "loaded")")
    #expect(part.isEmpty || found?.message.contains(part) == true, "\(found?.message ?? "")")
    #expect(found?.message.isEmpty == false && found?.message.contains(Setup.root) == false, "\(found?.message ?? "")")
  }

  @Test func `answers a division by zero with something, and goes on`() throws {
    let model = try onnx("divide")
    let x = Tensor("x", STADION_I32, [4], of: [Int32(1), 2, 3, 4])
    _ = try model.run([x, Tensor("y", STADION_I32, [4], of: [Int32](repeating: 0, count: 4))])
    let ones = Tensor("y", STADION_I32, [4], of: [Int32](repeating: 1, count: 4))
    #expect(try model.run([x, ones])[0].numbers() == [Int32(1), 2, 3, 4])
  }

  @Test func `says when the tenant's memory is spent`() throws {
    let ticket = TestTicket(quota: 100)
    let model = try onnx("two_outputs")
    let inputs = [
      floats("x", [5, 4], .init(repeating: 1, count: 20)), floats("y", [5, 4], .init(repeating: 1, count: 20)),
    ]
    #expect(try failure { try model.run(inputs, ticket: ticket) }?.code == STADION_RESOURCE_EXHAUSTED)
    #expect(ticket.keptCount == 0)
    #expect(try model.run(inputs)[0].numbers() == [Float](repeating: 2, count: 20))
  }

  // -- Options

  @Test(arguments: [
    ["threads": "0"], ["threads": "500"], ["streams": "x"], ["performance_hint": "fast"], ["precision": "int8"],
    ["enable_cpu_pinning": "yes"], ["check_shapes": "2"], ["stream": "1"], ["library": "/tmp/x.so"],
    ["cache_folder": "/tmp"],
  ])
  func `refuses options it doesn't understand`(options: [String: String]) throws {
    let found = try failure { try onnx("identity", options) }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
    #expect(found?.message.contains(options.keys.first!) == true)
  }

  @Test func `takes every good option`() throws {
    let all = [
      ["performance_hint": "throughput"], ["threads": "\(Setup.cores)", "streams": "\(Setup.cores)"],
      ["threads": "\(Setup.cores)"], ["enable_cpu_pinning": "1"], ["precision": "f16"], ["check_shapes": "0"],
    ]
    for options in all {
      #expect(try onnx("scalar", options).run([floats("INPUT0", [], [7])])[0].numbers() == [Float(7)])
    }
  }

  @Test func `keeps compiled models in a folder that it may write to`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("stadion-openvino-\(getpid())").path
    let missing = try failure {
      try Plugin.openVINO.create(["library": Setup.library, "cache_folder": folder])
    }
    #expect(missing?.code == STADION_FAILED_PRECONDITION)
    #expect(missing?.message.contains("access.write") == true)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let runner = try Plugin.openVINO.create(["library": Setup.library, "cache_folder": folder])
    for _ in 0..<2 {
      let model = try Plugin.openVINO.load(runner, Setup.ir("dot"))
      let ones = floats("x", [1, 64], .init(repeating: 1, count: 64))
      #expect(try model.run([ones])[0].numbers() == [Float(64 + 64 / 1024.0)])
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
  }

  @Test func `needs its engine's library, by absolute path, one per process`() throws {
    let none = try failure { try Plugin.openVINO.create() }
    #expect(none?.code == STADION_INVALID_ARGUMENT)
    #expect(none?.message.contains("make engines/openvino") == true)
    let other = try failure { try Plugin.openVINO.create(["library": "/nowhere/libopenvino_c.so"]) }
    #expect(other?.code == STADION_FAILED_PRECONDITION)
  }

  // -- Cancel and concurrency

  /// On the caller's thread, and on the engine's.
  @Test(.timeLimit(.minutes(1)), arguments: [[:], ["enable_cpu_pinning": "1"]])
  func `ends a run between two layers when it is interrupted, and the next one runs`(options: [String: String]) throws {
    let model = try ir("layers", options)
    let input = floats("x", [256, 256], .init(repeating: 0.5, count: 65536))
    let expected = try model.run([input])
    var cancelled = 0
    for _ in 0..<20 {
      let ticket = TestTicket()
      let run = Background { try model.run([input], ticket: ticket) }
      ticket.asked.wait()
      ticket.cancel()
      // A first one may come before the engine has begun.
      for _ in 0..<200 { model.interrupt(ticket) }
      let found = run.wait()
      #expect(found == nil || found?.code == STADION_CANCELLED, "\(found?.message ?? "")")
      if found != nil { cancelled += 1 }
      #expect(ticket.keptCount == 0)
      #expect(try model.run([input]) == expected)
    }
    #expect(cancelled > 0)
    model.interrupt(TestTicket())
  }

  @Test(.timeLimit(.minutes(1)), arguments: [[:], ["performance_hint": "throughput"]])
  func `serves many runs at once, each with its own answer`(options: [String: String]) throws {
    let model = try onnx("add", options)
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
