import Foundation

extension Setup {
  private static let tensorFlow = root + "/.stadion/engines/tensorflow/libtensorflow_cc.so.2"
  static let hasTensorFlow =
    ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1"
    || isThere(tensorFlow) && isThere(savedModel("identity"))
  static let needsTensorFlow = "requires: tensorflow (make engines/tensorflow test-setup)"
  static let basicPitchSavedModel = root + "/.stadion/test-models/basic_pitch/saved_model"

  /// One of Tests/Models/make_saved_models.py.
  static func savedModel(_ name: String) -> String { "\(root)/.stadion/test-models/saved_model/\(name)" }
}

extension TemporaryFolder {
  /// - Parameter settings: Of `model.json`.
  func addSavedModel(_ name: String, _ model: String, settings: String? = nil) throws {
    try copy(Setup.savedModel(model), to: "models/\(name)/1/saved_model")
    if let settings { try write("models/\(name)/model.json", settings) }
  }
}
