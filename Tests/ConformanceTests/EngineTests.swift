import BlockingTests
import Foundation
import Testing

/// A runner and its engine; ONNX Runtime's has a test of its own.
private struct Engine {
  let runner: String
  /// Nil for a runner that is linked to it.
  var library: String?
  let models: String

  static let litert = Engine(
    runner: RunnerCheck.product("libLiteRTRunner.so"), library: engines + "litert/libLiteRt.so",
    models: models + "tflite/")
  static let openVINO = Engine(
    runner: RunnerCheck.product("libOpenVINORunner.so"), library: engines + "openvino/libopenvino_c.so.2641",
    models: models)
  static let tensorFlow = Engine(
    runner: RunnerCheck.product("libTensorFlowRunner.so"), library: engines + "tensorflow/libtensorflow_cc.so.2",
    models: models + "saved_model/")
  static let torch = Engine(runner: engines + "torch/libTorchRunner.so", models: models + "torch/")

  private static let engines = RunnerCheck.root + "/.stadion/engines/"
  private static let models = RunnerCheck.root + "/.stadion/test-models/"

  func isThere(with model: String) -> Bool {
    ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1"
      || [library ?? runner, models + model].allSatisfy { FileManager.default.fileExists(atPath: $0) }
  }

  func check(_ model: String, _ options: [String] = []) throws -> RunnerCheck {
    let library = library.map { ["--runner-option", "library=\($0)"] } ?? []
    return try RunnerCheck(runner, ["--model", models + model] + library + options)
  }
}

/// What a check costs is mostly its leak check, and opening the engine anew for each of the others.
@Suite(.blocking) struct `The conformance kit passes the runner of` {
  @Test(
    .enabled(if: Engine.litert.isThere(with: "add.tflite"), "requires: litert (make engines/litert test-setup)"),
    arguments: ["add", "two_outputs", "cnn_int8", "passed_on", "reshape_bool"])
  func `LiteRT`(model: String) throws {
    let check = try Engine.litert.check("\(model).tflite")
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
  }

  @Test(
    .enabled(if: Engine.openVINO.isThere(with: "ir/add"), "requires: openvino (make engines/openvino test-setup)"),
    arguments: ["ir/add/model.xml", "ir/sum/model.xml", "onnx/two_outputs.onnx", "onnx/nonzero.onnx"])
  func `OpenVINO`(model: String) throws {
    let check = try Engine.openVINO.check(model, ["--loads", "100"])
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
  }

  @Test(
    .enabled(
      if: Engine.tensorFlow.isThere(with: "identity"), "requires: tensorflow (make engines/tensorflow test-setup)"),
    arguments: ["two_outputs", "identity_utf8", "keeper"])
  func `TensorFlow`(model: String) throws {
    let check = try Engine.tensorFlow.check(model, ["--loads", "100"])
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
  }

  @Test(
    .enabled(if: Engine.torch.isThere(with: "add.pt"), "requires: torch (make engines/torch, then make test-setup)"),
    arguments: ["dict", "writes_input"])
  func `libtorch`(model: String) throws {
    let threads = "intra_op_threads=\(min(2, ProcessInfo.processInfo.activeProcessorCount))"
    let check = try Engine.torch.check("\(model).pt", ["--runner-option", threads, "--loads", "100"])
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
  }
}
