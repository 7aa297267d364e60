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

  @Test func `run in the host where its operator wants that`() throws {
    let host = try Host.withRunners { folder in
      try folder.addOpenVINO(["isolation": "host"])
      try folder.addIR("add", "add")
    }
    let ones = [Float](repeating: 1, count: 4)
    let sum = try host.infer("add", floats("x", [1, 4], ones), floats("y", [1, 4], ones))
    #expect(sum == [floats("z", [1, 4], ones.map { $0 * 2 })])
    #expect(try host.process(Self.id) == 0)
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
  @Test func `that take too long to compile are given up, and the others come back`() throws {
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
    let isSaid = try holds(limit: .seconds(180)) {
      try host.index().contains { $0.hasPrefix("nested:1 UNAVAILABLE: ") && $0.contains(Self.id) }
    }
    #expect(isSaid, "\(host.state)")
    #expect(holds(limit: .seconds(30)) { (try? add()) != nil }, "\(host.state)")
    #expect(try host.process(Self.id) != first)
    #expect(!Processes.runs(first))
  }

  /// Its weights are of another size than it says: compiling it ends the process by SIGSEGV.
  @Test func `that end the process when they are compiled are given up`() throws {
    let host = try Host.withRunners(["--restart-after-ms", "1"]) { folder in
      try folder.addOpenVINO()
      try folder.addIR("add", "add")
    }
    let ones = [Float](repeating: 1, count: 4)
    func add() throws -> [DenseTensor] { try host.infer("add", floats("x", [1, 4], ones), floats("y", [1, 4], ones)) }
    _ = try add()
    try host.folder.addOnnx("lstm", "lstm")
    let isSaid = try holds(limit: .seconds(60)) {
      try host.index().contains { $0.hasPrefix("lstm:1 UNAVAILABLE: ") && $0.contains("SIGSEGV") }
    }
    #expect(isSaid, "\(host.state)")
    #expect(holds(limit: .seconds(30)) { (try? add()) != nil }, "\(host.state)")
    #expect(try host.runner(Self.id)?["state"] == "ready")
  }

  /// A Loop can't be cancelled: its process is ended.
  @Test func `that never end are ended with their process`() throws {
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
    for cycle in 1...5 {
      try host.client.load("m")
      _ = try host.listen("m")
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
