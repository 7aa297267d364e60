import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing

/// An engine and models that somebody broke, or wrote to do harm; ONNX Runtime's has a suite of its own.
struct HostileModels: Sendable, CustomTestStringConvertible {
  /// The file in runner-manifests is `<name>.runner.json`.
  let name: String
  let isInstalled: Bool
  /// Adds a model of the maker's under a name.
  let add: @Sendable (_ folder: TemporaryFolder, _ name: String, _ model: String) throws -> Void
  /// Models that work, and the file of each version's folder that is spoiled.
  let spoiled: [(model: String, file: String)]
  /// x negated within 20 Ifs where c is true; nil where another test tries that.
  let nested: String?
  /// Models that a request of 16 bytes has take terabytes, with the one input that they have.
  let huge: [(model: String, input: DenseTensor)]

  var testDescription: String { name }

  private static let two = floats("x", [2], [1, 2])
  private static let scalar = floats("x", [], [1])

  static let all = [
    HostileModels(
      name: "litert", isInstalled: Setup.hasLiteRT,
      add: { folder, name, model in try folder.addTFLite(name, Setup.tflite(model)) },
      spoiled: ["add", "branch", "cnn_int8", "divide", "loop", "nested", "signatures"].map { ($0, "model.tflite") },
      nested: "nested", huge: [("huge", two), ("huge_output", floats("x", [1, 4], [1, 2, 3, 4]))]),
    HostileModels(
      name: "openvino", isInstalled: Setup.hasOpenVINO,
      add: { folder, name, model in
        let parts = model.split(separator: "/").map(String.init)
        switch parts[0] {
        case "onnx": try folder.addOnnx(name, parts[1])
        case "tflite": try folder.addTFLite(name, Setup.tflite(parts[1]))
        case "saved_model": try folder.addSavedModel(name, parts[1])
        default: try folder.addIR(name, parts[1])
        }
      },
      spoiled: [
        ("onnx/add", "model.onnx"), ("onnx/loop", "model.onnx"), ("tflite/add", "model.tflite"),
        ("tflite/branch", "model.tflite"), ("saved_model/add", "saved_model/saved_model.pb"), ("ir/add", "model.xml"),
        ("ir/dot", "model.bin"), ("ir/sum", "model.xml"),
      ],
      nested: nil,
      huge: [
        ("onnx/huge_input", floats("x", [1, 1], [1])), ("tflite/huge", two),
        ("onnx/fill", DenseTensor(name: "s", elementType: .i64, shape: [1], values: [Int64(1) << 40])),
      ]),
    HostileModels(
      name: "tensorflow", isInstalled: Setup.hasTensorFlow,
      add: { folder, name, model in try folder.addSavedModel(name, model) },
      spoiled: ["add", "loop", "nested", "several_with_default", "text"].map { ($0, "saved_model/saved_model.pb") }
        + [
          ("weights", "saved_model/variables/variables.index"),
          ("weights", "saved_model/variables/variables.data-00000-of-00001"),
        ],
      nested: "nested", huge: [("huge", two), ("huge_output", floats("x", [1], [1]))]),
    HostileModels(
      name: "torch", isInstalled: Setup.hasTorch,
      add: { folder, name, model in try folder.addTorch(name, model) },
      spoiled: ["add", "cnn", "dict", "nested"].map { ($0, "model.pt") },
      nested: "nested", huge: [("vast", two), ("huge", scalar), ("allocates", scalar)]),
  ]

  var id: String { "org.stadion.\(name)" }

  /// A host with this runner alone, whose process may end as often as it likes, and a model `good`.
  func host(_ limits: [String: Int] = [:]) throws -> Host {
    let options = ["--restart-after-ms", "1", "--restart-at-most-ms", "1", "--quarantine-crashes", "0"]
    let runner = try #require(ShippedRunner.all.first { $0.name == name })
    let format = try #require(try runner.words("formats").first)
    return try Host.withRunners(options) { folder in
      try folder.addManifest(name, limits.isEmpty ? [:] : ["limits": limits])
      try runner.addIdentity(folder, "good", format, .f32)
    }
  }

  /// Waits until the model that works does.
  func isServing(_ host: Host) -> Bool {
    holds(limit: .seconds(60)) {
      guard let input = try? host.client.metadata(ModelID("good")).inputs.first else { return false }
      return (try? host.infer("good", floats(input.name, [3], [1, 2, 3])))?.first?.bytes
        == floats("", [3], [1, 2, 3]).bytes
    }
  }
}

/// Through the whole host, each runner in a process of its own.
@Suite(.blocking) struct `Hostile models of the other engines` {
  private static let installed = HostileModels.all.filter(\.isInstalled)

  @Test(arguments: installed)
  func `cut or changed anywhere have a reason, or serve`(models: HostileModels) throws {
    let seed: UInt64 = 1
    var random = SplitMix(state: seed)
    let host = try models.host(["loadTimeoutMs": 20_000, "killAfterMs": 500])
    let count = 40
    for index in 0..<count {
      let (model, file) = models.spoiled[index % models.spoiled.count]
      // Whole or not at all, as far as the host sees.
      let draft = TemporaryFolder()
      try models.add(draft, "m", model)
      var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(draft.path)/models/m/1/\(file)")))
      if index % 3 == 0 {
        bytes.removeSubrange(.random(in: 0..<bytes.count, using: &random)...)
      } else {
        for _ in 0...index % 4 {
          bytes[.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
        }
      }
      try draft.write("models/m/1/\(file)", bytes)
      try FileManager.default.moveItem(
        atPath: "\(draft.path)/models/m", toPath: "\(host.folder.path)/models/m\(index)")
    }
    // Never is one left open, whatever its load has done to the process.
    var undecided: [String] = []
    let isDecided = try holds(limit: .seconds(300)) {
      let index = try host.index().filter { $0.hasPrefix("m") }
      undecided = index.filter { !$0.contains(#/ READY|UNAVAILABLE: .{10,}/#) }
      return index.count == count && undecided.isEmpty
    }
    #expect(isDecided, "seed \(seed): \(undecided)")
    let index = try host.index().filter { $0.hasPrefix("m") }
    #expect(index.contains { $0.contains("UNAVAILABLE") }, "seed \(seed) breaks nothing")
    for name in index.filter({ $0.contains(" READY") }).map({ String($0.prefix { $0 != ":" }) }) {
      guard let inputs = try? host.client.metadata(ModelID(name)).inputs.map(\.ones) else { continue }
      let failure = try host.client.failure(name, inputs, timeoutMicros: 500_000)
      #expect(failure.map { !$0.message.isEmpty && $0.code != .internalError } != false, "seed \(seed), \(name)")
    }
    #expect(models.isServing(host), "seed \(seed): \(host.state)")
  }

  @Test(arguments: installed.filter { $0.nested != nil })
  func `of deeply nested branches are loaded and run`(models: HostileModels) throws {
    let host = try models.host()
    try models.add(host.folder, "n", #require(models.nested))
    #expect(holds { (try? host.client.metadata(ModelID("n"))) != nil }, "\(host.state)")
    for isNegated in [false, true] {
      let c = DenseTensor(name: "c", elementType: .bool, shape: [], bytes: [isNegated ? 1 : 0])
      let outputs = try host.infer("n", c, floats("x", [2], [1, -2]))
      #expect(outputs.map(\.bytes) == [floats("", [2], isNegated ? [-1, 2] : [1, -2]).bytes])
    }
  }

  @Test(arguments: installed)
  func `of absurd dimensions end in an error`(models: HostileModels) throws {
    let host = try models.host(["loadTimeoutMs": 20_000, "killAfterMs": 500])
    for (model, input) in models.huge {
      let name = String(model.split(separator: "/").last ?? "")
      try models.add(host.folder, name, model)
      let isDecided = try holds(limit: .seconds(60)) {
        try host.index().contains { $0.hasPrefix("\(name):") && $0.contains(#/ READY|UNAVAILABLE: .{10,}/#) }
      }
      #expect(isDecided, "\(host.state)")
      let start = ContinuousClock.now
      let failure = try host.client.failure(name, [input], timeoutMicros: 2_000_000)
      #expect(failure.map { !$0.message.isEmpty && $0.code != .internalError } == true, "\(name)")
      #expect(ContinuousClock.now - start < .seconds(10))
    }
    #expect(models.isServing(host), "\(host.state)")
    let name = try host.client.metadata(ModelID("good")).inputs[0].name
    for shape in ["[1099511627776]", "[4611686018427387904]", "[-1]"] {
      let answer = try host.send(
        "POST", "/v2/models/good/infer",
        #"{"inputs":[{"name":"\#(name)","datatype":"FP32","shape":\#(shape),"data":[1]}]}"#)
      #expect(answer.status == 400, "\(shape): \(answer.text)")
    }
    #expect(models.isServing(host), "\(host.state)")
  }
}
