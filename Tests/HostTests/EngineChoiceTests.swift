import BlockingTests
import Foundation
import Testing

/// One folder, several engines that could serve it.
@Suite(
  .blocking,
  .enabled(
    if: Setup.hasOnnxRuntime && Setup.hasLiteRT && Setup.hasOpenVINO,
    "requires: litert openvino (make engines test-setup)"))
struct `A model that several engines read` {
  private static let files = Setup.root + "/.stadion/test-models/basic_pitch"

  private func row(_ host: Host) throws -> String { try #require(try host.index().first) }

  @Test func `goes to the next one when the best would leave its outputs unwritten`() throws {
    let host = try Host { try $0.copy("\(Self.files)/nmp.tflite", to: "models/m/1/model.tflite") }
    #expect(try host.server(of: "m") == "org.stadion.openvino", "\(host.state)")
    let row = try row(host)
    #expect(row.hasPrefix("m:1 READY: ") && row.contains("org.stadion.litert") && row.contains("unwritten"), "\(row)")
    #expect(try host.listen("m")["note"]?.count == 172 * 88)
  }

  @Test func `goes to the other file's engine when one file is broken`() throws {
    let host = try Host {
      try $0.copy(Setup.basicPitch, to: "models/m/1/model.onnx")
      try $0.write("models/m/1/model.tflite", [28, 0, 0, 0] + Array("TFL3".utf8) + [UInt8](repeating: 0, count: 64))
    }
    #expect(try host.server(of: "m") == "org.stadion.onnxruntime", "\(host.state)")
    let row = try row(host)
    #expect(row.hasPrefix("m:1 READY: tflite: ") && row.contains("org.stadion.litert"), "\(row)")
  }

  /// Priority, then name, among those for the device that is asked for.
  @Test(arguments: [
    ("", "org.stadion.litert"), (#""devices": ["gpu", "cpu"]"#, "org.stadion.litert"),
    (#""runners": ["org.stadion.onnxruntime"]"#, "org.stadion.onnxruntime"),
    (#""runners": ["org.stadion.openvino"], "devices": ["cpu"]"#, "org.stadion.openvino"),
    (#""format": "onnx""#, "org.stadion.onnxruntime"),
  ])
  func `goes to the best for what is asked`(settings: String, runner: String) throws {
    let host = try Host {
      try $0.copy(Setup.basicPitch, to: "models/m/1/model.onnx")
      try $0.copy("\(Self.files)/static.tflite", to: "models/m/1/model.tflite")
      try $0.write("models/m/model.json", "{\(settings)}")
    }
    #expect(try host.server(of: "m") == runner, "\(host.state)")
    #expect(try host.listen("m").count == 3)
  }

  @Test func `is refused where a device is required that none has`() throws {
    let host = try Host {
      try $0.copy(Setup.basicPitch, to: "models/m/1/model.onnx")
      try $0.write("models/m/model.json", #"{"devices": ["gpu"], "deviceRequired": true}"#)
    }
    let row = try row(host)
    #expect(row.hasPrefix("m:1 UNAVAILABLE: ") && row.contains("gpu"), "\(row)")
  }
}
