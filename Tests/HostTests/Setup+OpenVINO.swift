import Foundation

extension Setup {
  private static let openVINO = root + "/.stadion/engines/openvino/libopenvino_c.so.2641"
  private static let basicPitchFiles = root + "/.stadion/test-models/basic_pitch"

  static let hasOpenVINO =
    ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1"
    || isThere(openVINO) && isThere(ir("add")) && isThere("\(basicPitchFiles)/nmp.tflite")
  static let needsOpenVINO = "requires: openvino (make test-setup)"

  /// One of Tests/Models/make_ir.py, in a folder with its weights.
  static func ir(_ name: String) -> String { "\(root)/.stadion/test-models/ir/\(name)/model.xml" }
}

extension TemporaryFolder {
  /// The manifest of `runner-manifests`, below "runners", with further members.
  ///
  /// - Parameter more: As `"isolation": "host"`; stands in for what the manifest has.
  func addOpenVINO(_ more: [String: Any] = [:]) throws {
    try addManifest("openvino", more)
  }

  func addManifest(_ name: String, _ more: [String: Any] = [:]) throws {
    let text = try String(contentsOfFile: "\(Setup.manifests)/\(name).runner.json", encoding: .utf8)
      .replacing("@manifest/", with: "\(Setup.manifests)/").replacing("@host/", with: Setup.libraries)
    var manifest = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
    manifest.merge(more) { _, given in given }
    try replace("runners/\(name).runner.json", JSONSerialization.data(withJSONObject: manifest))
  }

  /// A model of Tests/Models/make_ir.py, whole or not at all.
  func addIR(_ name: String, _ model: String) throws {
    try copy(Setup.ir(model), to: "models/.\(name)/1/model.xml")
    try copy(Setup.ir(model).replacing("model.xml", with: "model.bin"), to: "models/.\(name)/1/model.bin")
    try move("models/.\(name)", to: "models/\(name)")
  }

  /// basic_pitch by its format's file name, served by `runner`.
  func addBasicPitch(_ name: String, _ format: String, runner: String) throws {
    let files = Setup.root + "/.stadion/test-models/basic_pitch"
    switch format {
    case "onnx": try copy(Setup.basicPitch, to: "models/\(name)/1/model.onnx")
    case "tflite": try copy("\(files)/nmp.tflite", to: "models/\(name)/1/model.tflite")
    case "static_tflite": try copy("\(files)/static.tflite", to: "models/\(name)/1/model.tflite")
    case "saved_model": try copy("\(files)/saved_model", to: "models/\(name)/1/saved_model")
    default: try addIR(name, "basic_pitch")
    }
    try write("models/\(name)/model.json", #"{"runners": ["\#(runner)"]}"#)
  }
}

extension Setup {
  /// Where the runners' libraries are, with a slash.
  fileprivate static let libraries = (stadion as NSString).deletingLastPathComponent + "/"
}
