import CStadionRunner
import Foundation

/// Where `make` puts the engine and the models that LiteRT's tests need; see Tests/Models/make_tflite.py.
enum LiteRTSetup {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let library = root + "/.stadion/engines/litert/libLiteRt.so"
  static func model(_ name: String) -> String { "\(models)/tflite/\(name).tflite" }
  /// As it came, its shapes computed, and made static.
  static let basicPitch = models + "/basic_pitch/nmp.tflite"
  static let staticBasicPitch = models + "/basic_pitch/static.tflite"
  static let faces = models + "/face_detection/short_range.tflite"
  static let fixShapes = root + "/scripts/tflite-static"
  private static let models = root + "/.stadion/test-models"

  static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
  /// With STADION_REQUIRE_ENGINES the tests run without the engine too, and fail.
  static let isRequired = ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] != nil
  static let isReady = isRequired || isThere(library) && isThere(model("add")) && isThere(staticBasicPitch)
  static let requirement = "requires: litert (make engines/litert and make test-setup)"

  /// Two seconds of two tones and noise, the same on every machine.
  static let audio: [Float] = {
    var seed: UInt32 = 12345
    return (0..<43844).map { index in
      seed = seed &* 1_664_525 &+ 1_013_904_223
      let t = Double(index) / 22050
      let noise = Double(seed >> 8) / 16_777_216 - 0.5
      return Float(0.3 * sin(2 * .pi * 261.63 * t) + 0.2 * sin(2 * .pi * 440 * t) + 0.02 * noise)
    }
  }()
}

extension Plugin {
  static let litert = Plugin("libLiteRTRunner.so")
}

/// Not at file level: each test file has a `floats` of its own.
extension Tensor {
  static func floats(_ name: String, _ shape: [Int64], _ numbers: [Float]) -> Tensor {
    Tensor(name, STADION_F32, shape, of: numbers)
  }
}
