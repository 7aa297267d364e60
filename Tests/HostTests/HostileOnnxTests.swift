import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// Models that somebody broke, or wrote to do harm: each ends in a reason, and the host serves the others.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `Hostile ONNX models` {
  private static let runner = "org.stadion.onnxruntime"
  private let one = floats("INPUT0", [1], [1])

  private func expectServing(_ host: Host) throws {
    #expect(try host.infer("good", one) == [floats("OUTPUT0", [1], [1])])
    #expect(try host.runner(Self.runner)?["crashes"] == 0)
  }

  private func reason(_ host: Host, _ model: String) throws -> String? {
    let mark = "\(model):1 UNAVAILABLE: "
    return try host.index().first { $0.hasPrefix(mark) }.map { String($0.dropFirst(mark.count)) }
  }

  @Test(arguments: [1, 2, 3] as [UInt64]) func `cut or changed anywhere have a reason, or serve`(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    let sources = try [
      "add", "branch", "concat_text", "liar", "loop", "multiples", "nested_20", "product", "quantised", "running_sum",
    ].map { [UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx($0)))) }
    let host = try Host(["--runners", Self.runner]) { folder in
      try folder.addOnnx("good", "identity_f32")
      for index in 0..<100 {
        var bytes = sources.randomElement(using: &random)!
        if index % 2 == 0 {
          bytes.removeSubrange(.random(in: 0..<bytes.count, using: &random)...)
        } else {
          for _ in 0...index % 3 {
            bytes[.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
          }
        }
        try folder.write("models/m\(index)/1/model.onnx", bytes)
      }
    }
    let index = try host.index().filter { $0.hasPrefix("m") }
    #expect(index.count == 100)
    #expect(
      index.allSatisfy { $0.hasSuffix(" READY") || $0.contains(#/ UNAVAILABLE: .{10,}/#) }, "seed \(seed): \(index)")
    #expect(index.contains { !$0.hasSuffix(" READY") }, "seed \(seed) breaks nothing")
    for name in index.filter({ $0.hasSuffix(" READY") }).map({ String($0.prefix { $0 != ":" }) }) {
      let inputs = try host.client.metadata(ModelID(name)).inputs.map(\.ones)
      let failure = try host.client.failure(name, inputs, timeoutMicros: 500_000)
      #expect(failure.map { !$0.message.isEmpty && $0.code != .internalError } != false, "seed \(seed), \(name)")
    }
    try expectServing(host)
  }

  @Test func `get no file from outside their folder`() throws {
    let host = try Host(["--runners", Self.runner]) { folder in
      try folder.addOnnx("good", "identity_f32")
      for name in ["weights_beside", "weights_above", "weights_absolute"] { try folder.addOnnx(name, name) }
      try folder.write("models/weights_beside/1/weights.bin", [1, 2, 3, 4])
      try folder.addOnnx("link", "weights_beside")
      let link = "\(folder.path)/models/link/1/weights.bin"
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/etc/passwd")
      try folder.addOnnx("none", "weights_beside")
    }
    // Weights beside the model are read, or the refusals would prove nothing.
    let weights = DenseTensor(name: "z", elementType: .u8, shape: [4], bytes: [1, 2, 3, 4])
    #expect(try host.infer("weights_beside") == [weights])
    for name in ["weights_above", "link"] {
      #expect(try reason(host, name)?.contains("escapes model directory") == true, "\(host.state)")
    }
    #expect(try reason(host, "weights_absolute")?.contains("Absolute path not allowed") == true, "\(host.state)")
    #expect(try reason(host, "none")?.contains("weights.bin") == true, "\(host.state)")
    try expectServing(host)
  }

  @Test func `ask for more memory than there is in vain`() throws {
    let host = try Host(["--runners", Self.runner]) { folder in
      try folder.addOnnx("good", "identity_f32")
      for name in ["huge_input", "huge_output", "huge_constant", "fill"] { try folder.addOnnx(name, name) }
    }
    func shape(_ sizes: Int64...) -> DenseTensor {
      DenseTensor(name: "s", elementType: .i64, shape: [Int64(sizes.count)], values: sizes)
    }
    func check(_ code: HostError.Code, _ words: String, _ model: String, _ inputs: DenseTensor...) throws {
      let failure = try host.client.failure(model, inputs)
      #expect(failure?.code == code && failure?.message.contains(words) == true, "\(model): \(failure as Any)")
    }
    let terabytes = "4398046511104"
    try check(
      .invalidRequest, "it wants [1099511627776,1099511627776], got [1,1]", "huge_input", floats("x", [1, 1], [1]))
    try check(.invalidRequest, "too many elements", "huge_input", floats("x", [1 << 40, 1 << 40], [1]))
    try check(.overloaded, "an output of \(terabytes) bytes", "huge_output", floats("x", [2], [1, 2]), shape(2))
    try check(.runnerFailed, terabytes, "huge_constant")
    try check(.runnerFailed, terabytes, "fill", shape(1 << 40))
    try check(.runnerFailed, "overflow", "fill", shape(1 << 62, 4))
    try check(.runnerFailed, "must be >= 0", "fill", shape(-1))
    #expect(try host.infer("fill", shape(4, 4)) == [floats("z", [], [0])])
    try expectServing(host)
  }

  @Test(arguments: [20, 30]) func `of deeply nested branches are loaded and run`(depth: Int) throws {
    let host = try Host { try $0.addOnnx("m", "nested_\(depth)") }
    for condition: UInt8 in [0, 1] {
      let c = DenseTensor(name: "c", elementType: .bool, shape: [], bytes: [condition])
      let z = try host.infer("m", c, floats("x", [2], [1, -2]))
      #expect(z == [floats("Neg\(depth)", [2], condition == 1 ? [-1, 2] : [1, 2])])
    }
  }

  @Test func `whose functions multiply without end take too long, and the others are served`() throws {
    let options = ["--kill-after-ms", "100", "--restart-after-ms", "1", "--quarantine-crashes", "0"]
    let host = try Host.withRunners(options) { folder in
      try folder.addOnnxRuntime(#""limits": {"loadTimeoutMs": 1000}"#)
      try folder.addOnnx("good", "identity_f32")
      try folder.addOnnx("laughs", "laughs")
    }
    let words = "its process was ended by the host: it took longer than 1100 ms to load model.onnx"
    #expect(try holds { try reason(host, "laughs")?.contains(words) == true }, "\(host.state)")
    #expect(try holds { try host.index().contains("good:1 READY") }, "\(host.state)")
    #expect(try host.infer("good", one) == [floats("OUTPUT0", [1], [1])])
  }

  @Test func `whose one operator takes long lose their process, and it serves again`() throws {
    let host = try Host(["--kill-after-ms", "200", "--restart-after-ms", "1"]) { folder in
      try folder.addOnnx("good", "identity_f32")
      try folder.addOnnx("long", "suppression")
    }
    func boxes(_ count: Int64) -> DenseTensor {
      DenseTensor(name: "n", elementType: .i64, shape: [1], values: [count])
    }
    #expect(
      try host.infer("long", boxes(2)) == [
        DenseTensor(name: "z", elementType: .i64, shape: [2, 3], values: [Int64(0), 0, 0, 0, 0, 1])
      ])
    let process = try host.process(Self.runner)
    let start = ContinuousClock.now
    let failure = try host.client.failure("long", [boxes(500_000)], timeoutMicros: 500_000)
    #expect(failure?.code == .runnerFailed || failure?.code == .deadlineExceeded, "\(failure as Any)")
    #expect(ContinuousClock.now - start < .seconds(3))
    let isReplaced = try holds { try ![0, process].contains(host.process(Self.runner)) }
    let isServed = holds { (try? host.infer("good", one)) != nil }
    #expect(isReplaced && isServed, "\(host.state)")
  }
}

extension TemporaryFolder {
  /// The ONNX Runtime runner as it is shipped, but for further members of its manifest.
  fileprivate func addOnnxRuntime(_ more: String) throws {
    let shipped = try String(contentsOfFile: "\(Setup.manifests)/onnxruntime.runner.json", encoding: .utf8)
    let priority = #""priority": 100"#
    try write(
      "runners/onnxruntime.runner.json",
      shipped.replacingOccurrences(of: "@manifest/..", with: Setup.root)
        .replacingOccurrences(of: priority, with: "\(priority), \(more)"))
  }
}
