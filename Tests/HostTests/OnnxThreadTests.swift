import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// Threads that the engine starts, seen from outside.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `Threads of ONNX Runtime` {
  private static let cores = ProcessInfo.processInfo.processorCount

  /// The runner's threads by number, and the CPU time of each.
  private func threads(_ host: Host) throws -> [String: Duration] {
    let folder = "/proc/\(try host.process("org.stadion.onnxruntime"))/task"
    let numbers = try FileManager.default.contentsOfDirectory(atPath: folder)
    return Dictionary(
      uniqueKeysWithValues: numbers.map { number in
        let text = FileManager.default.contents(atPath: "\(folder)/\(number)/stat") ?? Data()
        // After the name, which may hold anything: user and system time in hundredths of a second.
        let fields = String(decoding: text, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
        return (number, .milliseconds(10 * fields.dropFirst(11).prefix(2).compactMap { Int($0) }.reduce(0, +)))
      })
  }

  @Test func `are none but the runner's own by default, and never more than cores`() throws {
    let host = try Host { folder in
      for index in 0..<10 { try folder.addOnnx("m\(index)", "product") }
      try folder.addOnnx("greedy", "product")
      try folder.write("models/greedy/model.json", #"{"options": {"intra_op_threads": "500"}}"#)
    }
    let reason = "option intra_op_threads is \"500\"; want 1 to \(Self.cores)"
    #expect(
      try host.index().contains { $0.hasPrefix("greedy:1 UNAVAILABLE: ") && $0.contains(reason) }, "\(host.state)")
    let x = floats("x", [1, 1], [1])
    for index in 0..<10 {
      #expect(try host.infer("m\(index)", x, floats("y", [1, 1], [3])) == [floats("z", [1, 1], [3])])
    }
    let count = try threads(host).count
    #expect(count <= 8, "\(count) threads for 10 models")
  }

  /// CPU time that the engine's threads for a model use while it runs now and then.
  private func cost(_ host: Host, _ model: String) throws -> Duration {
    // Some 10 ms of other work, in which the threads of the model have nothing to do.
    let pause = [
      DenseTensor(name: "steps", elementType: .i64, shape: [], values: [Int64(10_000)]),
      DenseTensor(name: "more", elementType: .bool, shape: [], bytes: [1]),
      floats("x", [64], [Float](repeating: 1, count: 64)),
    ]
    // Starts the thread that runs.
    _ = try host.client.infer(ModelID("loop"), inputs: pause)
    let others = try threads(host).keys
    try host.client.load(model)
    let own = try threads(host).keys.filter { !others.contains($0) }
    #expect(own.count == 1)
    let side: Int64 = 128
    let ones = [Float](repeating: 1, count: Int(side * side))
    for _ in 0..<40 {
      _ = try host.infer(model, floats("x", [side, side], ones), floats("y", [side, side], ones))
      _ = try host.client.infer(ModelID("loop"), inputs: pause)
    }
    return try threads(host).filter { own.contains($0.key) }.values.reduce(.zero, +)
  }

  @Test(.enabled(if: cores > 1, "machine: one core")) func `sleep between runs, unless they are told to spin`() throws {
    let host = try Host(["--no-watch"]) { try $0.addOnnx("loop", "loop") }
    for (name, options) in [("quiet", ""), ("spinning", #", "spinning": "1""#)] {
      try host.folder.addOnnx(name, "product")
      try host.folder.write("models/\(name)/model.json", #"{"options": {"intra_op_threads": "2"\#(options)}}"#)
    }
    let quiet = try cost(host, "quiet")
    let spinning = try cost(host, "spinning")
    #expect(quiet < .milliseconds(60) && spinning > quiet * 2, "asleep \(quiet), spinning \(spinning)")
  }
}
