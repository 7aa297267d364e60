import CStadionRunner
import Foundation
import Testing

/// Where `make` puts the engine and the models that these tests need; see Tests/Models/make_saved_models.py.
enum TensorFlowSetup {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let library = root + "/.stadion/engines/tensorflow/libtensorflow_cc.so.2"
  static let onnxLibrary = root + "/.stadion/engines/onnxruntime/libonnxruntime.so.1.32.0"
  static func model(_ name: String) -> String { root + "/.stadion/test-models/saved_model/\(name)" }
  static let basicPitch = root + "/.stadion/test-models/basic_pitch/saved_model"
  static let basicPitchOnnx = root + "/.stadion/models/basic_pitch/1/model.onnx"

  static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
  /// With STADION_REQUIRE_ENGINES the tests run without the engine too, and fail.
  static let isRequired = ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] != nil
  static let isReady = isRequired || isThere(library) && isThere(model("identity"))
  static let needs: Comment = "requires: tensorflow (make engines/tensorflow and the models of make_saved_models.py)"
}

extension Plugin {
  static let tensorFlow = Plugin("libTensorFlowRunner.so")
}

/// A runner and its models. The number of threads is the same everywhere: TensorFlow has it once per process.
struct TensorFlowFixture {
  let runner: OpaquePointer

  init() throws { runner = try Plugin.tensorFlow.create(["library": TensorFlowSetup.library]) }

  func load(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try Plugin.tensorFlow.load(runner, TensorFlowSetup.model(name), options)
  }
}
