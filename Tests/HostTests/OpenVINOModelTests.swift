import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// The OpenVINO runner behind a whole host.
@Suite(.blocking, .enabled(if: Setup.hasOpenVINO, Comment(rawValue: Setup.needsOpenVINO)))
struct `OpenVINO models through the host` {
  private static let id = "org.stadion.openvino"

  private func audio() -> [Float] {
    var seed: UInt32 = 12345
    return (0..<43844).map { index -> Float in
      seed = seed &* 1_664_525 &+ 1_013_904_223
      let t = Double(index) / 22050
      let noise = Double(seed >> 8) / 16_777_216 - 0.5
      return Float(0.3 * sin(2 * .pi * 261.63 * t) + 0.2 * sin(2 * .pi * 440 * t) + 0.02 * noise)
    }
  }

  /// Outputs by what they mean: formats name them differently.
  private func listen(_ host: Host, _ model: String, _ audio: [Float]) throws -> [String: [Float]] {
    let input = try #require(try host.client.metadata(ModelID(model)).inputs.first)
    let meanings = [":0": "contour", ":1": "note", ":2": "onset"]
    var heard: [String: [Float]] = [:]
    for output in try host.infer(model, floats(input.name, [1, 43844, 1], audio)) {
      let meaning = meanings[String(output.name.suffix(2))] ?? output.name
      heard[meaning] = (0..<output.bytes.count / 4).map { output.load(Float.self, at: $0 * 4) }
    }
    return heard
  }

  @Test(arguments: ["process", "host"])
  func `agree in all four formats with ONNX Runtime`(isolation: String) throws {
    let formats = ["onnx", "tflite", "saved_model", "openvino"]
    let host = try Host.withRunners { folder in
      try folder.addOpenVINO(["isolation": isolation])
      try folder.addManifest("onnxruntime")
      try folder.addBasicPitch("reference", "onnx", runner: "org.stadion.onnxruntime")
      for format in formats { try folder.addBasicPitch(format, format, runner: Self.id) }
    }
    #expect(try host.server(of: "reference") == "org.stadion.onnxruntime")
    let audio = audio()
    let expected = try listen(host, "reference", audio)
    #expect(expected.keys.sorted() == ["contour", "note", "onset"])
    for format in formats {
      #expect(try host.server(of: format) == Self.id, "\(host.state)")
      let found = try listen(host, format, audio)
      for (meaning, values) in expected {
        let other = try #require(found[meaning], "\(format) has \(found.keys)")
        #expect(other.count == values.count)
        let error = zip(values, other).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(error <= 2e-6, "\(format) \(meaning)")
      }
    }
  }

  @Test func `are on the devices that the engine has found`() throws {
    let host = try Host.withRunners { folder in
      try folder.addOpenVINO(["devices": [["kind": "cpu"], ["kind": "gpu"], ["kind": "npu"]]])
      try folder.addIR("add", "add")
    }
    let runner = try #require(try host.runner(Self.id))
    #expect(runner["engine"]?.string?.hasPrefix("openvino 2026.") == true, "\(runner.text)")
    let devices = runner["devices"]?.array ?? []
    #expect(devices.first?["kind"] == "cpu")
    // The engine's name of the processor.
    #expect(devices.first?["name"]?.string.map { $0 != "CPU" && !$0.isEmpty } == true, "\(runner.text)")
  }

  @Test func `whose engine isn't there are told where to get it`() throws {
    let host = try Host.withRunners { folder in
      try folder.addOpenVINO(["options": ["library": "/nowhere/libopenvino_c.so.2641"]])
      try folder.addIR("add", "add")
    }
    let runner = try #require(try host.runner(Self.id))
    #expect(runner["state"] == "refused")
    #expect(runner["reason"]?.string?.contains("make engines/openvino") == true, "\(runner.text)")
  }

  /// A compilation can't be stopped from within: its time doubles with each level of `nested`.
  @Test(.timeLimit(.minutes(2))) func `that take too long to compile are given up, and the others come back`() throws {
    let host = try Host.withRunners(["--restart-after-ms", "1"]) { folder in
      try folder.addOpenVINO(["limits": ["loadTimeoutMs": 1000, "killAfterMs": 500]])
      try folder.addIR("add", "add")
    }
    let ones = [Float](repeating: 1, count: 4)
    func add() throws -> [DenseTensor] { try host.infer("add", floats("x", [1, 4], ones), floats("y", [1, 4], ones)) }
    #expect(try add() == [floats("z", [1, 4], ones.map { $0 * 2 })])
    let first = try host.process(Self.id)
    try host.folder.addIR("nested", "nested")
    // The router may try once more before it gives up.
    let isSaid = try holds(limit: .seconds(60)) {
      try host.index().contains { $0.hasPrefix("nested:1 UNAVAILABLE: ") && $0.contains(Self.id) }
    }
    #expect(isSaid, "\(host.state)")
    #expect(holds(limit: .seconds(30)) { (try? add()) != nil }, "\(host.state)")
    #expect(try host.process(Self.id) != first)
    #expect(!Processes.runs(first))
  }

  /// A Loop can't be cancelled: its process is ended.
  @Test(.timeLimit(.minutes(1))) func `that never end are ended with their process`() throws {
    let host = try Host.withRunners(["--restart-after-ms", "1"]) { folder in
      try folder.addOpenVINO(["limits": ["killAfterMs": 500]])
      try folder.addOnnx("loop", "loop")
      try folder.addOnnx("add", "add")
    }
    let first = try host.process(Self.id)
    let body = """
      {"inputs":[{"name":"steps","datatype":"INT64","shape":[],"data":[2147483647]},
      {"name":"more","datatype":"BOOL","shape":[],"data":[true]},
      {"name":"x","datatype":"FP32","shape":[64],"data":[\(Array(repeating: "1", count: 64).joined(separator: ","))]}],
      "parameters":{"timeout":200000}}
      """
    let late = try host.send("POST", "/v2/models/loop/infer", body)
    #expect([502, 504].contains(late.status) && late.text.contains(Self.id), "\(late.text)")
    #expect(holds { !Processes.runs(first) })
    let ones = [Float](repeating: 1, count: 4)
    let isBack = holds {
      (try? host.infer("add", floats("x", [1, 4], ones), floats("y", [1, 4], ones))) != nil
    }
    #expect(isBack, "\(host.state)")
  }

  @Test func `give their memory back`() throws {
    let host = try Host.withRunners { folder in
      try folder.addOpenVINO()
      try folder.addBasicPitch("m", "onnx", runner: Self.id)
    }
    try host.client.unload("m")
    #expect(try host.stadion("runner", "restart", Self.id).status == 0)
    let process = try host.process(Self.id)
    try #require(process != 0, "\(host.state)")
    let before = Processes.memory("VmRSS", of: process)
    let audio = audio()
    for cycle in 1...5 {
      try host.client.load("m")
      _ = try listen(host, "m", audio)
      let loaded = Processes.memory("VmRSS", of: process)
      try host.client.unload("m")
      let after = Processes.memory("VmRSS", of: process)
      // It was there, or its return would prove nothing.
      #expect(loaded > before + (10 << 20), "cycle \(cycle): \(loaded) of \(before)")
      #expect(after <= before + (5 << 20), "cycle \(cycle): \(after) of \(before), \(loaded) when loaded")
    }
    #expect(try host.process(Self.id) == process)
  }
}
