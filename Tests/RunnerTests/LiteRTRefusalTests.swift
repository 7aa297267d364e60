import CStadionRunner
import Foundation
import Testing

/// LiteRT checks next to nothing, and reports success for answers that it never wrote.
@Suite(.enabled(if: LiteRTSetup.isReady, Comment(rawValue: LiteRTSetup.requirement)))
struct `The LiteRT runner refuses` {
  let runner: OpaquePointer

  init() throws { runner = try Plugin.litert.create(["library": LiteRTSetup.library]) }

  private func load(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try Plugin.litert.load(runner, LiteRTSetup.model(name), options)
  }

  @Test func `inputs that are missing, unknown or of another kind`() throws {
    let model = try load("add")
    let x = Tensor.floats("x", [1, 4], [1, 2, 3, 4])
    let y = Tensor.floats("y", [1, 4], [1, 2, 3, 4])
    func message(_ inputs: [Tensor]) throws -> String? {
      let failure = try failure { try model.run(inputs) }
      #expect(failure?.code == STADION_INVALID_ARGUMENT)
      return failure?.message
    }
    #expect(try message([x]) == "input y is missing")
    #expect(try message([x, y, .floats("q", [1], [1])]) == "the model has no input q")
    #expect(try message([x, y, y]) == "an input was given twice")
    #expect(
      try message([x, Tensor("y", STADION_I32, [1, 4], of: [Int32(1), 2, 3, 4])])
        == "input y is i32; the model wants f32")
    #expect(try message([x, .floats("y", [4], [1, 2, 3, 4])]) == "input y has shape [4]; the model wants [-1, 4]")
    #expect(
      try message([x, .floats("y", [1, 3], [1, 2, 3])]) == "input y has shape [1, 3]; the model wants [-1, 4]")
    #expect(try message([x, .floats("y", [2, 4], [1, 2, 3, 4])])?.contains("16 bytes") == true)
    #expect(try message([x, .floats("y", [0, 4], [])])?.contains("[0, 4]") == true)
    #expect(try message([x, .floats("y", [1 << 40, 4], [1])])?.contains("4 bytes") == true)
    #expect(try model.run([x, y]).count == 1)
  }

  @Test(arguments: [
    ("int4", STADION_UNSUPPORTED, "int4"), ("complex", STADION_UNSUPPORTED, "complex64"),
    ("text", STADION_UNSUPPORTED, "string"), ("rank9", STADION_UNSUPPORTED, ""),
    ("custom", STADION_UNSUPPORTED, "Betainc"), ("flex", STADION_UNSUPPORTED, "Select TensorFlow op"),
    ("no_operator", STADION_INTERNAL, "compiling the model"), ("same_tensors", STADION_INVALID_ARGUMENT, "named two"),
    ("empty", STADION_INVALID_ARGUMENT, ""), ("garbage", STADION_INVALID_ARGUMENT, ""),
    ("truncated", STADION_INVALID_ARGUMENT, ""), ("text_file", STADION_INVALID_ARGUMENT, ""),
    ("head", STADION_INVALID_ARGUMENT, "no graph"), ("missing", STADION_NOT_FOUND, "No such file"),
  ])
  func `a file it can't serve`(name: String, code: Int, part: String) throws {
    let found = try failure { try load(name) }
    #expect(found?.code == code, "\(String(describing: found))")
    #expect(part.isEmpty || found?.message.contains(part) == true, "\(String(describing: found))")
    #expect(found?.message.isEmpty == false)
  }

  @Test(arguments: [("fill", "z"), ("where", "z"), ("reshape", "z")])
  func `models whose outputs LiteRT leaves unwritten, and names the cures`(name: String, output: String) throws {
    let found = try failure { try load(name) }
    #expect(found?.code == STADION_UNSUPPORTED)
    #expect(found?.message.contains("output \(output) unwritten") == true)
    #expect(found?.message.contains("scripts/tflite-static") == true)
    #expect(found?.message.contains("OpenVINO") == true)
  }

  @Test func `a real model with computed shapes, and serves it made static`() throws {
    let found = try failure { try Plugin.litert.load(runner, LiteRTSetup.basicPitch) }
    #expect(found?.code == STADION_UNSUPPORTED)
    #expect(found?.message.contains("unwritten") == true)
    let target = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).tflite").path
    defer { try? FileManager.default.removeItem(atPath: target) }
    let tool = Process()
    tool.executableURL = URL(fileURLWithPath: LiteRTSetup.fixShapes)
    tool.arguments = [LiteRTSetup.model("reshape"), target, "2"]
    tool.standardOutput = FileHandle.nullDevice
    try tool.run()
    tool.waitUntilExit()
    #expect(tool.terminationStatus == 0)
    let model = try Plugin.litert.load(runner, target)
    let output = try model.run([.floats("x", [2, 6], (0..<12).map(Float.init))])
    #expect(output == [.floats("z", [2, 2, 3], (0..<12).map { Float($0 * 2) })])
  }

  /// Even where no trial was made: a run tells an output that wasn't written.
  @Test func `to answer with what was never written`() throws {
    let model = try load("reshape", ["trial_seconds": "0"])
    let ticket = TestTicket()
    let found = try failure {
      try model.run([.floats("x", [1, 6], [1, 2, 3, 4, 5, 6])], ticket: ticket)
    }
    #expect(found?.code == STADION_UNSUPPORTED)
    #expect(found?.message.contains("output z unwritten") == true)
    #expect(ticket.keptCount == 0)
  }

  @Test(.timeLimit(.minutes(1))) func `to wait for a trial that has no end`() throws {
    let found = try failure { try load("endless", ["trial_seconds": "1"]) }
    #expect(found?.code == STADION_DEADLINE_EXCEEDED)
    #expect(found?.message.contains("trial_seconds") == true)
    let ticket = TestTicket()
    nonisolated(unsafe) let runner = runner
    let waiting = Background {
      _ = try Plugin.litert.load(runner, LiteRTSetup.model("endless"), ["trial_seconds": "3600"], ticket: ticket)
      return []
    }
    for _ in 0..<3 { ticket.asked.wait() }
    ticket.cancel()
    #expect(waiting.wait()?.code == STADION_CANCELLED)
    let model = try load("endless", ["trial_seconds": "0"])
    #expect(try model.run([.floats("x", [4], [-1, 2, 3, 4])]) == [.floats("z", [4], [-1, 2, 3, 4])])
  }

  @Test func `a division by zero, and divides again`() throws {
    let model = try load("divide")
    func divide(_ by: Int32) throws -> [Tensor] {
      try model.run([
        Tensor("x", STADION_I32, [4], of: [Int32](repeating: 6, count: 4)),
        Tensor("y", STADION_I32, [4], of: [Int32](repeating: by, count: 4)),
      ])
    }
    let found = try failure { try divide(0) }
    #expect(found?.source == "litert")
    #expect(found?.message.contains("DIV") == true || found?.message.contains("division") == true)
    #expect(try divide(3)[0].numbers() == [Int32(2), 2, 2, 2])
  }

  @Test func `an index that its table doesn't have`() throws {
    let model = try load("gather")
    let found = try failure { try model.run([Tensor("i", STADION_I32, [2], of: [Int32(3), 10])]) }
    #expect(found?.source == "litert")
    #expect(try model.run([Tensor("i", STADION_I32, [2], of: [Int32(0), 9])])[0].numbers(Float.self).last == 39)
  }

  @Test func `outputs beyond the tenant's memory`() throws {
    let model = try load("two_outputs")
    let inputs: [Tensor] = [
      .floats("x", [5, 4], .init(repeating: 1, count: 20)), .floats("y", [5, 4], .init(repeating: 1, count: 20)),
    ]
    let ticket = TestTicket(quota: 100)
    #expect(try failure { try model.run(inputs, ticket: ticket) }?.code == STADION_RESOURCE_EXHAUSTED)
    #expect(ticket.keptCount == 0)
    #expect(try model.run(inputs).count == 2)
  }

  @Test(arguments: [
    ["threads": "0"], ["threads": "500"], ["kernels": "fast"], ["trial_seconds": "-1"],
    ["state": "lost"], ["tread": "1"], ["library": "/tmp/x.so"], ["accelerator": "cpu"],
  ])
  func `options it doesn't understand`(options: [String: String]) throws {
    let found = try failure { try load("add", options) }
    #expect(found?.code == STADION_INVALID_ARGUMENT)
    #expect(found?.message.contains(options.keys.first!) == true)
  }

  @Test func `a machine without the accelerator it is to use, and a library that isn't there`() throws {
    for name in ["gpu", "npu"] {
      let none = try failure { try Plugin.litert.create(["library": LiteRTSetup.library, "accelerator": name]) }
      #expect(none?.code == STADION_FAILED_PRECONDITION)
      #expect(none?.message.contains("option accelerator is \"\(name)\", but LiteRT finds only cpu") == true)
    }
    let none = try failure { try Plugin.litert.create() }
    #expect(none?.code == STADION_INVALID_ARGUMENT)
    #expect(none?.message.contains("make engines/litert") == true)
    let other = try failure { try Plugin.litert.create(["library": "/nowhere/libLiteRt.so"]) }
    #expect(other?.code == STADION_FAILED_PRECONDITION)
  }
}
