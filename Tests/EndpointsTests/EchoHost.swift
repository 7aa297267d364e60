import Foundation
import HTTPTestClient
import Inference
import Manifests
import Running
import Telemetry

@testable import Endpoints
@testable import Routing
@testable import Serving

/// The host in this process, over a folder of echo models: all but the command line.
final class EchoHost: Sendable {
  /// Loaded once; awaited, because loading needs the threads that a blocked test would hold.
  static let shared = Task { await EchoHost() }

  let address: ListenAddress
  let server: HTTPServer
  let router: Router
  private let folder: URL

  /// Options of echo models, and what else their `model.json` says.
  private struct Model {
    var inputs: String
    var outputs: String
    var options: [String: String] = [:]
    var settings: [String: Any] = [:]
    var versions = [1]
  }

  static let types: [(name: String, word: String)] = [
    ("BOOL", "bool"), ("UINT8", "u8"), ("UINT16", "u16"), ("UINT32", "u32"), ("UINT64", "u64"), ("INT8", "i8"),
    ("INT16", "i16"), ("INT32", "i32"), ("INT64", "i64"), ("FP16", "f16"), ("FP32", "f32"), ("FP64", "f64"),
    ("BF16", "bf16"), ("BYTES", "utf8"),
  ]

  private static var models: [String: Model] {
    var models: [String: Model] = [
      "pairs": Model(inputs: "x:f32[-1,2] y:i32[2]", outputs: "a:f32[-1,2] b:i32[2]"),
      "scalar": Model(inputs: "x:f64[]", outputs: "a:f64[]"),
      "fixed": Model(inputs: "x:f32[2,3]", outputs: "a:f32[2,3]"),
      "cube": Model(inputs: "x:i32[-1,-1,-1]", outputs: "a:i32[-1,-1,-1]"),
      "word": Model(inputs: "x:utf8[1]", outputs: "a:utf8[1]"),
      "a b": Model(inputs: "x:i8[1]", outputs: "a:i8[1]"), "größer": Model(inputs: "x:i8[1]", outputs: "a:i8[1]"),
      "labeled": Model(
        inputs: "x:f32[-1,3]", outputs: "a:f32[-1,3]", settings: ["labels": ["a": "labels.txt"]]),
      "failing": Model(inputs: "x:i8[1]", outputs: "a:i8[1]", options: ["fail": "out of \"coffee\""]),
      "broken": Model(inputs: "x:i8[1]", outputs: "a:i8[1]", options: ["fail_load": "closed"]),
      "slow": Model(inputs: "x:i8[1]", outputs: "a:i8[1]", options: ["sleep_ms": "60000"]),
      "late": Model(inputs: "x:i8[1]", outputs: "a:i8[1]", options: ["sleep_ms": "60000"], settings: ["timeoutMs": 50]),
      "narrow": Model(
        inputs: "x:i8[1]", outputs: "a:i8[1]", options: ["sleep_ms": "60000"],
        settings: ["maxConcurrentRuns": 1, "queueLimit": 1]),
      "counted": Model(inputs: "x:i8[1]", outputs: "a:i8[1]"), "switched": Model(inputs: "x:i8[1]", outputs: "a:i8[1]"),
      "versions": Model(
        inputs: "x:i8[1]", outputs: "a:i8[1]", settings: ["versions": ["all": true]], versions: [1, 3]),
    ]
    for type in types { models[type.name] = Model(inputs: "x:\(type.word)[-1]", outputs: "a:\(type.word)[-1]") }
    return models
  }

  private init() async {
    signal(SIGPIPE, SIG_IGN)
    // Failures that are provoked here would fill the tests' output.
    Log.level = .error
    let id = UUID().uuidString.prefix(8)
    folder = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent("stadion-models-\(id)")
    Self.write(to: folder)
    let executable = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    var search = ManifestSearch(
      hostFolder: URL(fileURLWithPath: executable).deletingLastPathComponent().path,
      explicitPaths: [package.appendingPathComponent("runner-manifests/echo.runner.json").path])
    search.allowWritable = true
    var options = Router.Options()
    options.modelRoots.standard = folder.path
    // The runner has a process of its own, as its manifest says.
    options.processes.executable = search.hostFolder + "/stadion"
    let router = Router(manifests: search.run(), options: options)
    let loops = (0..<2).map { _ in EventLoop(busyPollMicros: 0) }
    for loop in loops { loop.start(name: "echo-loop") }
    let handler = HostHandler(router: router, name: "stadion", version: "1.2.3") { false }
    var limits = ServingLimits()
    limits.bodyBytes = 16 << 20
    server = HTTPServer(handler: handler, limits: limits, loops: loops)
    self.router = router
    address = try! server.listen(on: .unix(path: "\(NSTemporaryDirectory())/stadion-\(id).sock"))
    await Task(executorPreference: loops[0]) { await router.start() }.value
  }

  private static func write(to folder: URL) {
    for (name, model) in models {
      let path = folder.appendingPathComponent(name)
      for version in model.versions {
        try! FileManager.default.createDirectory(
          at: path.appendingPathComponent("\(version)"), withIntermediateDirectories: true)
      }
      var settings = model.settings
      settings["format"] = "echo"
      settings["options"] = model.options.merging(["inputs": model.inputs, "outputs": model.outputs]) { $1 }
      try! JSONSerialization.data(withJSONObject: settings).write(to: path.appendingPathComponent("model.json"))
      try! Data("cat\ndog\nbird\n".utf8).write(to: path.appendingPathComponent("labels.txt"))
    }
  }

  func client() throws -> TestClient { try TestClient(address) }

  /// One request on a connection of its own.
  func ask(_ request: String) throws -> Answer { try client().answer(to: request) }

  /// An infer request; with `blobs`, in the binary form.
  func infer(
    _ model: String, _ json: String, _ blobs: [UInt8]? = nil, _ lines: String...
  ) throws -> Answer {
    let client = try client()
    try client.send(inferRequest(model, json, blobs, lines))
    return try client.answer()
  }

  /// What the statistics say of a model.
  func statistics(_ model: String) throws -> [String: Any] {
    let answer = try ask(get("/v2/models/\(model)/stats"))
    let all = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: [[String: Any]]]
    return all?["model_stats"]?.first ?? [:]
  }

  /// One count out of `inference_stats`.
  func count(_ what: String, of model: String) throws -> Int {
    let inference = try statistics(model)["inference_stats"] as? [String: [String: Int]]
    return inference?[what]?["count"] ?? -1
  }
}

func inferRequest(_ model: String, _ json: String, _ blobs: [UInt8]? = nil, _ lines: [String] = []) -> [UInt8] {
  let body = Array(json.utf8) + (blobs ?? [])
  var head = "POST /v2/models/\(model)/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.count)\r\n"
  if blobs != nil { head += "Inference-Header-Content-Length: \(json.utf8.count)\r\n" }
  return Array((head + lines.map { $0 + "\r\n" }.joined() + "\r\n").utf8) + body
}

/// Waits until `condition` holds; false after the client's patience. A kernel wait of a millisecond at a time.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  for _ in 0..<Int(TestClient.patience) {
    if try condition() { return true }
    _ = poll(nil, 0, 1)
  }
  return try condition()
}

/// One input as JSON; `data` as it stands in the text.
func input(_ type: String, _ shape: String, _ data: String, name: String = "x") -> String {
  #"{"name":"\#(name)","shape":\#(shape),"datatype":"\#(type)","data":\#(data)}"#
}

/// One input whose bytes follow the JSON.
func binary(_ type: String, _ shape: String, _ byteCount: Int, name: String = "x") -> String {
  #"{"name":"\#(name)","shape":\#(shape),"datatype":"\#(type)","parameters":{"binary_data_size":\#(byteCount)}}"#
}

/// A request with `inputs`, and whatever members are to follow them.
func request(_ inputs: String..., more: String = "") -> String {
  #"{"inputs":[\#(inputs.joined(separator: ","))]\#(more.isEmpty ? "" : ",")\#(more)}"#
}

let allBinary = #""parameters":{"binary_data_output":true}"#

func bytes<T>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

extension Answer {
  /// The text of `"data":[…]` of the first output that has any.
  var data: String? {
    guard let start = text.range(of: "\"data\":["),
      let end = text.range(of: "]", options: .backwards, range: start.upperBound..<text.endIndex)
    else { return nil }
    let tail = text[start.upperBound..<end.lowerBound]
    // `]}]}` ends the only output.
    return tail.hasSuffix("]}") ? String(tail.dropLast(2)) : String(tail)
  }

  /// What follows the JSON.
  var blobs: [UInt8]? {
    headers["inference-header-content-length"].flatMap { Int($0) }.map { Array(body.dropFirst($0)) }
  }

  /// The JSON alone.
  var json: String {
    let count = headers["inference-header-content-length"].flatMap { Int($0) } ?? body.count
    return String(decoding: body.prefix(count), as: UTF8.self)
  }

  /// The error's text; nil unless it is one with a code of this status, and nothing but an error.
  var error: String? {
    guard let value = (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: String],
      Set(value.keys).subtracting(["deadline"]) == ["code", "error", "requestId"],
      value["requestId"] == headers["x-request-id"],
      HostError.Code(rawValue: value["code"] ?? "")?.httpStatus == status
    else { return nil }
    return value["error"]
  }
}
