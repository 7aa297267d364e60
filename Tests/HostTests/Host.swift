import Foundation
import Inference
import StadionClient
import Wire

/// A running `stadion serve` with a folder, a socket and a model repository of its own; killed with the last reference.
final class Host {
  struct NotReady: Error, CustomStringConvertible { let description: String }

  let folder: TemporaryFolder
  let command: Command
  let socket: String
  /// Blocking; owned by the test's thread.
  let client: StadionClient

  /// Starts a host and waits until it is ready.
  ///
  /// - Parameters:
  ///   - arguments: Further ones of `stadion serve`.
  ///   - manifests: Nil hands over none.
  ///   - prepare: Writes the models, below "models" of the folder.
  init(
    _ arguments: [String] = [], manifests: String? = Setup.manifests, folder: TemporaryFolder = TemporaryFolder(),
    environment: [String: String] = [:], _ prepare: (TemporaryFolder) throws -> Void = { _ in }
  ) throws {
    self.folder = folder
    socket = "\(folder.path)/s"
    folder.makeFolder("models")
    try prepare(folder)
    let words = [Setup.stadion, "serve", "--socket", socket, "--models", "\(folder.path)/models"]
    command = try Command(
      words + (manifests.map { ["--manifests", $0] } ?? []) + arguments, environment: environment)
    client = StadionClient(.unix(path: socket), timeout: .seconds(20))
    let isReady = holds { command.status != nil || (try? client.isReady()) == true }
    guard isReady, command.status == nil else {
      throw NotReady(description: "the host \(isReady ? "ended" : "isn't ready after 20 s"): \(command.errors)")
    }
  }

  // MARK: Asking

  func send(
    _ method: String, _ path: String, _ body: String = "", headers: [(String, String)] = []
  ) throws -> HTTPResponse {
    try client.connection.send(method, path, headers: headers, body: Array(body.utf8))
  }

  /// The answer as JSON, whatever its status.
  func json(_ method: String, _ path: String, _ body: String = "") throws -> JSONValue {
    let response = try send(method, path, body)
    return response.body.isEmpty ? .null : try JSONValue(parsing: response.body)
  }

  func infer(_ model: String, _ tensors: DenseTensor...) throws -> [DenseTensor] {
    try client.infer(ModelID(model), inputs: tensors).outputs
  }

  /// A line per version: `name:version STATE`, and a colon and the reason where there is one.
  func index() throws -> [String] {
    (try json("POST", "/v2/repository/index").array ?? []).map { row in
      let reason = row["reason"]?.string ?? ""
      let version = row["version"]?.string ?? "-"
      return "\(row["name"]?.string ?? "?"):\(version) \(row["state"]?.string ?? "-")"
        + (reason.isEmpty ? "" : ": \(reason)")
    }
  }

  /// Runs of a model that are under way.
  func running(_ model: String) throws -> Int {
    try json("GET", "/v1/models/\(model)")["versions"]?.array?.first?["running"]?.int ?? -1
  }

  /// The index for a failing test to print.
  var state: String { (try? index().joined(separator: ", ")) ?? "no answer; \(command.errors)" }

  /// `stadion VERB… --socket …`.
  func stadion(_ words: String..., input: [UInt8] = []) throws -> Command.Result {
    try Command.run([Setup.stadion] + words + ["--socket", socket], input: input)
  }

  /// `curl ARGUMENTS… http://host/PATH`.
  func curl(_ path: String, _ arguments: String..., input: [UInt8] = []) throws -> Command.Result {
    try Command.run(
      ["curl", "--silent", "--show-error", "--max-time", "20", "--unix-socket", socket] + arguments
        + ["http://host\(path)"], input: input)
  }

  // MARK: Looking

  /// Lines of the log whose message is `message`; nil for all.
  func log(_ message: String? = nil) throws -> [JSONValue] {
    try command.errors.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
      .filter { message == nil || $0["message"]?.string == message }
  }

  /// Resident memory in bytes.
  var residentBytes: Int {
    let text = FileManager.default.contents(atPath: "/proc/\(command.pid)/statm") ?? Data()
    let pages = String(decoding: text, as: UTF8.self).split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return (pages ?? 0) * 4096
  }
}

/// Models of the Echo runner: a `model.json` is all they are.
extension TemporaryFolder {
  /// - Parameter inputs: As `INPUT0:f32[-1]`.
  func addEcho(_ name: String, _ inputs: String, options: [String: String] = [:], more: String = "") throws {
    let all = options.merging(["inputs": inputs]) { given, _ in given }.sorted { $0.key < $1.key }
    let list = all.map { "\"\($0.key)\": \"\($0.value)\"" }.joined(separator: ", ")
    makeFolder("models/\(name)/1")
    try write("models/\(name)/model.json", "{\"format\": \"echo\", \"options\": {\(list)}\(more)}")
  }

  /// - Parameter model: Of Tests/Models/make_onnx.py.
  func addOnnx(_ name: String, _ model: String, version: Int = 1) throws {
    try copy(Setup.onnx(model), to: "models/\(name)/\(version)/model.onnx")
  }

}

func floats(_ name: String, _ shape: [Int64], _ values: [Float]) -> DenseTensor {
  DenseTensor(name: name, elementType: .f32, shape: shape, values: values)
}
