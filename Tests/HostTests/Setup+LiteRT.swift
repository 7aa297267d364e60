import Foundation

extension Setup {
  static let litert = root + "/.stadion/engines/litert/libLiteRt.so"
  static let faces = root + "/.stadion/test-models/face_detection/short_range.tflite"
  /// One of Tests/Models/make_tflite.py.
  static func tflite(_ name: String) -> String { "\(root)/.stadion/test-models/tflite/\(name).tflite" }

  private static let mustRun = ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1"
  static let hasLiteRT = mustRun || isThere(litert) && isThere(faces) && isThere(tflite("add"))
  static let needsLiteRT = "requires: litert (make engines/litert and make test-setup)"
}

extension TemporaryFolder {
  /// - Parameter settings: The model's `model.json`.
  func addTFLite(_ name: String, _ file: String, settings: String? = nil) throws {
    try copy(file, to: "models/\(name)/1/model.tflite")
    if let settings { try write("models/\(name)/model.json", settings) }
  }

  /// The runner's own manifest with another isolation.
  func addLiteRTRunner(isolation: String) throws {
    let manifest = try String(contentsOfFile: "\(Setup.manifests)/litert.runner.json", encoding: .utf8)
    let library = (Setup.stadion as NSString).deletingLastPathComponent + "/libLiteRTRunner.so"
    try write(
      "runners/litert.runner.json",
      manifest.replacingOccurrences(of: "@host/libLiteRTRunner.so", with: library)
        .replacingOccurrences(of: "@manifest/../.stadion/engines/litert/libLiteRt.so", with: Setup.litert)
        .replacingOccurrences(of: #""priority""#, with: #""isolation": "\#(isolation)", "priority""#))
  }
}
