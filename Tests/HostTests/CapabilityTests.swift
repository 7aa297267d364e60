import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// A runner that is shipped, and models that show whether its manifest is right about it.
struct ShippedRunner: Sendable, CustomTestStringConvertible {
  /// The file in runner-manifests is `<name>.runner.json`.
  let name: String
  /// Whether its engine is there.
  let isInstalled: Bool
  /// Adds a model of that format, whose one output is its one input of that type, with one dimension: any, or 3 where
  /// the manifest claims no dynamic shapes.
  let addIdentity: @Sendable (_ folder: TemporaryFolder, _ model: String, _ format: String, ElementType) throws -> Void
  /// Adds a model that runs without end on the inputs that are returned.
  let addEndless: @Sendable (_ folder: TemporaryFolder, _ model: String) throws -> [DenseTensor]
  /// Identities of types that the manifest doesn't list, or that the engine can't read from one of the formats, and a
  /// word of the reason.
  var refused: [(format: String, type: ElementType, word: String)] = []
  /// The engine takes no fewer elements in an open dimension.
  var leastCount = 0
  /// The engine computes wider whole numbers in 32 bits with a sign.
  var isNarrow = false

  static let all = [
    ShippedRunner(
      name: "echo", isInstalled: true,
      addIdentity: { folder, model, _, type in try folder.addEcho(model, "X:\(type.manifestName)[-1]") },
      addEndless: { folder, model in
        try folder.addEcho(model, "X:f32[-1]", options: ["sleep_ms": "3600000"])
        return [floats("X", [1], [1])]
      }),
    ShippedRunner(
      name: "onnxruntime", isInstalled: Setup.hasOnnxRuntime,
      addIdentity: { folder, model, _, type in try folder.addOnnx(model, "identity_\(type.manifestName)") },
      addEndless: { folder, model in
        try folder.addOnnx(model, "loop")
        return [
          DenseTensor(name: "steps", elementType: .i64, shape: [], values: [Int64.max]),
          DenseTensor(name: "more", elementType: .bool, shape: [], bytes: [1]),
          floats("x", [64], [Float](repeating: 0.5, count: 64)),
        ]
      }),
    ShippedRunner(
      name: "tensorflow", isInstalled: Setup.hasTensorFlow,
      addIdentity: { folder, model, _, type in try folder.addSavedModel(model, "identity_\(type.manifestName)") },
      addEndless: { folder, model in
        try folder.addSavedModel(model, "loop")
        return [
          DenseTensor(name: "steps", elementType: .i32, shape: [], values: [Int32.max]),
          floats("x", [64, 64], [Float](repeating: 0.5, count: 64 * 64)),
        ]
      }),
    ShippedRunner(
      name: "torch", isInstalled: Setup.hasTorch,
      addIdentity: { folder, model, _, type in try folder.addTorch(model, "identity_\(type.manifestName)") },
      addEndless: { folder, model in
        try folder.addTorch(model, "loop")
        return [floats("x", [1], [1])]
      }),
    ShippedRunner(
      name: "litert", isInstalled: Setup.hasLiteRT,
      addIdentity: { folder, model, _, type in
        try folder.addTFLite(model, Setup.tflite("identity_\(type.manifestName)"))
      },
      addEndless: { folder, model in
        try folder.addTFLite(model, Setup.tflite("loop"))
        return [
          DenseTensor(name: "n", elementType: .i32, shape: [], values: [Int32.max]),
          floats("x", [64, 64], [Float](repeating: 0.5, count: 64 * 64)),
        ]
      }, refused: [("tflite", .utf8, "string")], leastCount: 1),
    ShippedRunner(
      name: "openvino", isInstalled: Setup.hasOpenVINO,
      addIdentity: { folder, model, format, type in
        let identity = "identity_\(type.manifestName)"
        switch format {
        case "onnx": try folder.addOnnx(model, identity)
        case "tflite": try folder.addTFLite(model, Setup.tflite(identity))
        case "saved_model": try folder.addSavedModel(model, identity)
        default: try folder.addIR(model, identity)
        }
      },
      addEndless: { folder, model in
        try folder.addIR(model, "long")
        return [floats("x", [256, 512], [Float](repeating: 0.5, count: 256 * 512))]
      },
      refused: [("onnx", .utf8, "text"), ("tflite", .bf16, "BFLOAT16")]
        + ["onnx", "tflite", "saved_model", "openvino"].map { ($0, .f64, "f64") }, isNarrow: true),
  ]

  var testDescription: String { name }

  /// What the manifest says.
  func manifest() throws -> JSONValue {
    try JSONValue(parsing: String(contentsOfFile: "\(Setup.manifests)/\(name).runner.json", encoding: .utf8))
  }

  func claims(_ key: String) throws -> JSONValue { try #require(try manifest()["models"]?[key], "\(name): no \(key)") }

  func words(_ key: String) throws -> [String] { try #require(try claims(key).array).compactMap(\.string) }

  func types() throws -> [ElementType] { try words("elementTypes").map { try #require(ElementType(manifestName: $0)) } }

  func id() throws -> String { try #require(try manifest()["id"]?.string) }

  /// A host with this runner alone.
  func host(_ prepare: (TemporaryFolder) throws -> Void) throws -> Host { try Host(["--runners", id()], prepare) }
}

/// Each claim of a shipped manifest, tried through the whole host.
@Suite(.blocking) struct `What a manifest claims` {
  private static let installed = ShippedRunner.all.filter(\.isInstalled)

  /// Elements whose every bit matters; NaNs and extremes among them.
  ///
  /// - Parameter isNarrow: Whole numbers hold what 32 bits with a sign can.
  private func tensor(_ name: String, _ type: ElementType, count: Int, isNarrow: Bool = false) -> DenseTensor {
    guard let size = type.byteCount else {
      let texts = (0..<count).map { index in (0..<index * 7 % 50).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ index) } }
      return DenseTensor(name: name, shape: [Int64(count)], elements: texts)
    }
    var bytes = (0..<count * size).map { UInt8($0 &* 29 % 256) & (type == .bool ? 1 : 255) }
    if isNarrow, [.i64, .u64, .u32].contains(type) {
      for start in stride(from: 0, to: bytes.count, by: size) {
        if type != .i64 { bytes[start + 3] &= 127 }
        for place in start + 4..<start + size { bytes[place] = bytes[start + 3] < 128 ? 0 : 255 }
      }
    }
    return DenseTensor(name: name, elementType: type, shape: [Int64(count)], bytes: bytes)
  }

  @Test(arguments: installed) func `every element type in every format comes back bit by bit`(
    runner: ShippedRunner
  ) throws {
    let pairs = try runner.words("formats").flatMap { format in try runner.types().map { (format, $0) } }
      .filter { pair in !runner.refused.contains { ($0.format, $0.type) == pair } }
    let host = try runner.host { folder in
      for (format, type) in pairs { try runner.addIdentity(folder, "\(format)-\(type)", format, type) }
    }
    #expect(!pairs.isEmpty)
    for (model, type) in pairs.map({ ("\($0)-\($1)", $1) }) {
      #expect(try host.server(of: model) == runner.id(), "\(host.state)")
      let metadata = try host.client.metadata(ModelID(model))
      #expect(metadata.inputs.map(\.elementType) == [type] && metadata.outputs.map(\.elementType) == [type])
      let given = tensor(metadata.inputs[0].name, type, count: 3, isNarrow: runner.isNarrow)
      var expected = given
      expected.name = metadata.outputs[0].name
      #expect(try host.infer(model, given) == [expected], "\(model)")
    }
  }

  @Test(arguments: installed) func `what isn't claimed is refused by name`(
    runner: ShippedRunner
  ) throws {
    let host = try runner.host { folder in
      for (format, type, _) in runner.refused { try runner.addIdentity(folder, "\(format)-\(type)", format, type) }
      try folder.write("models/strange/1/model.strange", "?")
    }
    let index = try host.index()
    #expect(index.contains { $0.hasPrefix("strange:1 UNAVAILABLE: ") && $0.contains("format strange") }, "\(index)")
    for (format, type, word) in runner.refused {
      let start = "\(format)-\(type):1 UNAVAILABLE: "
      #expect(index.contains { $0.hasPrefix(start) && $0.contains(word) }, "\(start)\(word), not in \(index)")
    }
  }

  @Test(arguments: installed.filter(\.isNarrow)) func `numbers that the engine would cut are refused`(
    runner: ShippedRunner
  ) throws {
    let numbers: [(type: ElementType, tensor: DenseTensor)] = [
      (.i64, DenseTensor(name: "", elementType: .i64, shape: [1], values: [Int64(Int32.min) - 1])),
      (.u64, DenseTensor(name: "", elementType: .u64, shape: [1], values: [UInt64(1) << 32])),
      (.u32, DenseTensor(name: "", elementType: .u32, shape: [1], values: [UInt32(1) << 31])),
    ]
    let format = try #require(try runner.words("formats").first)
    let host = try runner.host { folder in
      for (type, _) in numbers { try runner.addIdentity(folder, "\(type)", format, type) }
    }
    for (type, tensor) in numbers {
      var tensor = tensor
      tensor.name = try host.client.metadata(ModelID("\(type)")).inputs[0].name
      let error = #expect(throws: HostError.self) { try host.infer("\(type)", tensor) }
      #expect(error?.code == .invalidRequest && error?.message.contains("32 bits") == true, "\(error as Any)")
    }
  }

  @Test(arguments: installed) func `dynamic shapes are any size, none too`(runner: ShippedRunner) throws {
    guard try runner.claims("dynamicShapes") == true else { return }
    let format = try #require(try runner.words("formats").first)
    let types = try runner.types().filter { $0 == .f32 || $0 == .utf8 }
    let host = try runner.host { folder in
      for type in types { try runner.addIdentity(folder, "\(type)", format, type) }
    }
    for type in types {
      let metadata = try host.client.metadata(ModelID("\(type)"))
      #expect(metadata.inputs.map(\.shape) == [[-1]])
      for count in [1, 0, 100_000, 2, 1000] {
        guard count >= runner.leastCount else {
          let input = tensor(metadata.inputs[0].name, type, count: count)
          let error = #expect(throws: HostError.self) { try host.infer("\(type)", input) }
          #expect(error?.code == .invalidRequest && error?.message.contains("[\(count)]") == true, "\(error as Any)")
          continue
        }
        let output = try host.infer("\(type)", tensor(metadata.inputs[0].name, type, count: count))
        #expect(output.map(\.shape) == [[Int64(count)]])
        #expect(output.map(\.bytes) == [tensor("", type, count: count).bytes], "\(type), \(count)")
      }
    }
  }

  @Test(arguments: installed) func `the devices serve, and no others`(runner: ShippedRunner) throws {
    let kinds = try #require(try runner.manifest()["devices"]?.array).compactMap { $0["kind"]?.string }
    let format = try #require(try runner.words("formats").first)
    let type = try #require(try runner.types().first)
    let host = try runner.host { try runner.addIdentity($0, "m", format, type) }
    let listed = try #require(try host.runner(runner.id())?["devices"]?.array).compactMap { $0["kind"]?.string }
    #expect(!kinds.isEmpty && Set(listed) == Set(kinds))
    let input = try tensor(host.client.metadata(ModelID("m")).inputs[0].name, type, count: 3)
    for kind in ["cpu", "gpu", "npu", "tpu"] {
      func ask() throws {
        _ = try host.client.infer(ModelID("m"), inputs: [input], parameters: [("device", .string(kind))])
      }
      if kinds.contains(kind) {
        try ask()
      } else {
        let error = #expect(throws: HostError.self) { try ask() }
        #expect(error?.message.contains(kind) == true, "\(error as Any)")
      }
    }
  }

  @Test(arguments: installed) func `a run that can be cancelled ends at its deadline, in the same process`(
    runner: ShippedRunner
  ) throws {
    guard try runner.claims("cancel") != "none" else { return }
    let format = try #require(try runner.words("formats").first)
    let type = try #require(try runner.types().first)
    var endless: [DenseTensor] = []
    let host = try runner.host { folder in
      endless = try runner.addEndless(folder, "endless")
      try runner.addIdentity(folder, "other", format, type)
    }
    let process = try host.process(runner.id())
    for _ in 0..<3 {
      let start = ContinuousClock.now
      let failure = try host.client.failure("endless", endless, timeoutMicros: 200_000)
      let taken = ContinuousClock.now - start
      #expect(failure?.code == .deadlineExceeded, "\(failure as Any)")
      // Far from the 5 s after which its process would be ended.
      #expect(taken > .milliseconds(150) && taken < .seconds(2), "\(taken)")
    }
    let input = try tensor(host.client.metadata(ModelID("other")).inputs[0].name, type, count: 3)
    #expect(try host.infer("other", input).map(\.bytes) == [input.bytes])
    #expect(try host.process(runner.id()) == process && host.runner(runner.id())?["crashes"] == 0)
  }

  /// What can't be cancelled ends with its process, and comes back.
  @Test(arguments: installed) func `a run whose caller leaves ends, in the same process if it can be cancelled`(
    runner: ShippedRunner
  ) throws {
    let isCancelled = try runner.claims("cancel") != "none"
    let format = try #require(try runner.words("formats").first)
    let type = try #require(try runner.types().first)
    var endless: [DenseTensor] = []
    let options = [
      "--runners", try runner.id(), "--restart-after-ms", "1", "--kill-after-ms", isCancelled ? "20000" : "300",
    ]
    let host = try Host(options) { folder in
      endless = try runner.addEndless(folder, "endless")
      try runner.addIdentity(folder, "other", format, type)
    }
    let process = try host.process(runner.id())
    // Leaves when its patience is over; the request itself has no deadline.
    let client = StadionClient(.unix(path: host.socket), timeout: .milliseconds(500))
    let failure = try client.failure("endless", endless)
    client.connection.close()
    #expect(failure?.message.isEmpty == false)
    #expect(try holds { try host.running("endless") != 1 }, "it still runs")
    #expect(try holds { try host.runner(runner.id())?["crashes"]?.int == (isCancelled ? 0 : 1) }, "\(host.state)")
    let isServed = holds(limit: .seconds(60)) {
      guard let name = try? host.client.metadata(ModelID("other")).inputs.first?.name else { return false }
      let input = tensor(name, type, count: 3)
      return (try? host.infer("other", input).map(\.bytes)) == [input.bytes]
    }
    #expect(isServed, "\(host.state)")
    #expect(try (host.process(runner.id()) == process) == isCancelled)
  }

  @Test(arguments: installed) func `clients are told the same`(runner: ShippedRunner) throws {
    let format = try #require(try runner.words("formats").first)
    let type = try #require(try runner.types().first)
    let host = try runner.host { try runner.addIdentity($0, "m", format, type) }
    let listed = try #require(try host.runner(runner.id()))
    for key in ["formats", "dynamicShapes", "streams", "cancel"] {
      #expect(try listed[key] == runner.claims(key), "\(key)")
    }
    #expect(try listed["elementTypes"]?.array?.compactMap(\.string) == runner.words("elementTypes").sorted())
    #expect(try listed["batching"] == runner.manifest()["models"]?["batching"] ?? false)
    // Answers in many parts are nobody's claim yet: this test is to show them when one makes it.
    #expect(try runner.claims("streams") == false)
    #expect(try host.send("POST", "/v2/models/m/generate_stream", "{}").status == 404)
  }
}
