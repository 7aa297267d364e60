import Foundation

/// Where things lie that whole-host tests need.
enum Setup {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// SwiftPM puts the executable and the runners beside the test bundle, whichever build system it uses.
  static let stadion: String = {
    let executable = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: executable).deletingLastPathComponent().appendingPathComponent("stadion").path
  }()

  static let manifests = root + "/runner-manifests"
  static let python =
    ProcessInfo.processInfo.environment["STADION_TEST_PYTHON"] ?? root + "/.stadion/test-venv/bin/python"
  static let basicPitch = root + "/.stadion/models/basic_pitch/1/model.onnx"
  private static let library = root + "/.stadion/engines/onnxruntime/libonnxruntime.so.1.32.0"

  /// One of Tests/Models/make_onnx.py.
  static func onnx(_ name: String) -> String { "\(root)/.stadion/test-models/onnx/\(name).onnx" }

  static func fixture(_ name: String) -> String { "\(root)/Tests/HostTests/Fixtures/\(name)" }

  static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// With STADION_REQUIRE_ENGINES tests run without what they need too, and fail.
  private static let isRequired = ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1"
  static let hasOnnxRuntime = isRequired || isThere(library) && isThere(onnx("identity"))
  static let hasPython = isRequired || isThere(python)
  static let needsOnnxRuntime = "requires: onnxruntime (make test-setup)"
  static let needsPython = "requires: tritonclient (make test-setup)"
}
