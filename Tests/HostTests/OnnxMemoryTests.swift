import BlockingTests
import Dispatch
import Inference
import StadionClient
import Testing

/// What is left of an ONNX model in its runner's process.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `Memory of ONNX models in a process` {
  private static let id = "org.stadion.onnxruntime"

  @Test func `comes back, whichever threads made the runs`() throws {
    let host = try Host.withRunners { folder in
      try folder.addManifest("onnxruntime", [:])
      try folder.addBasicPitch("m", "onnx", runner: Self.id)
    }
    let name = try #require(try host.client.metadata(ModelID("m")).inputs.first).name
    let audio = floats(name, [1, 43844, 1], BasicPitch.audio)
    let socket = host.socket
    func cycle() throws -> Int {
      try host.client.load("m")
      // At once, so that several threads make large allocations.
      DispatchQueue.concurrentPerform(iterations: 4) { _ in
        let client = StadionClient(.unix(path: socket), timeout: .seconds(20))
        let outputs = try? client.infer(ModelID("m"), inputs: [audio]).outputs
        #expect(outputs?.count == 3)
      }
      let loaded = Processes.memory("VmRSS", of: try host.process(Self.id))
      try host.client.unload("m")
      return loaded
    }
    _ = try cycle()
    let process = try host.process(Self.id)
    let before = Processes.memory("VmRSS", of: process)
    for number in 1...5 {
      let loaded = try cycle()
      let after = Processes.memory("VmRSS", of: process)
      // It was there, or its return would prove nothing.
      #expect(loaded > before + (16 << 20), "cycle \(number): \(loaded) of \(before)")
      #expect(after < before + (5 << 20), "cycle \(number): \(after) of \(before), \(loaded) when loaded")
    }
    #expect(try host.process(Self.id) == process)
  }
}
