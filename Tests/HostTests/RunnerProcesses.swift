import Foundation
import StadionClient
import Synchronization
import Wire

/// Runners of a test's own: copies of the fixtures' libraries below "runners" of its folder, with their manifests.
extension TemporaryFolder {
  private static func built(_ library: String) -> String {
    (Setup.stadion as NSString).deletingLastPathComponent + "/lib\(library).so"
  }

  /// Where the library of a faulty runner lies: its name says the runner's id.
  func faultyLibrary(_ id: String, fault: String = "none") -> String { "runners/\(id)+\(fault)+cpu.so" }

  /// A faulty runner, which serves the format `faulty`.
  ///
  /// - Parameter fault: What is wrong with the library itself; a word of `FaultyRunner.c`.
  func addFaulty(_ id: String, _ more: String = "", fault: String = "none", isolation: String = "process") throws {
    let library = faultyLibrary(id, fault: fault)
    try copy(Self.built("FaultyRunner"), to: library)
    try writeManifest(id, library: "\(path)/\(library)", format: "faulty", isolation: isolation, more)
  }

  func writeFaultyManifest(_ id: String, _ more: String = "", isolation: String = "process") throws {
    try writeManifest(id, library: "\(path)/\(faultyLibrary(id))", format: "faulty", isolation: isolation, more)
  }

  func addEchoRunner(isolation: String = "process") throws {
    try writeManifest(
      "org.stadion.echo", library: Self.built("EchoRunner"), format: "echo", isolation: isolation)
  }

  func addEscaping(isolation: String, _ more: String = "") throws {
    try copy(Self.built("EscapingRunner"), to: "runners/libEscapingRunner.so")
    try writeEscapingManifest(isolation: isolation, more)
  }

  func writeEscapingManifest(isolation: String, _ more: String = "") throws {
    try writeManifest(
      "org.stadion.test.escaping", library: "\(path)/runners/libEscapingRunner.so", format: "escaping",
      isolation: isolation, dynamicShapes: false, more)
  }

  /// - Parameter more: Further members, as `"priority": 2`.
  func writeManifest(
    _ id: String, library: String, format: String, isolation: String = "process", dynamicShapes: Bool = true,
    _ more: String = ""
  ) throws {
    let types = """
      "f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool", "utf8"
      """
    try replace(
      "runners/\(id).runner.json",
      """
      {"manifestVersion": "1.0", "id": "\(id)", "version": "0.1.0", "abi": {"major": 0, "minor": 1},
       "library": {"path": "\(library)"}, "devices": [{"kind": "cpu", "maxConcurrentRuns": 64}],
       "isolation": "\(isolation)",\(more.isEmpty ? "" : " \(more),")
       "models": {"formats": ["\(format)"], "elementTypes": [\(types)], "dynamicShapes": \(dynamicShapes), "streams": false,
        "cancel": "none"}}
      """.utf8)
  }

  /// A model of the faulty runner: `text` are lines key=value.
  func addFaultyModel(_ name: String, _ text: String = "bias=1", settings: String? = nil) throws {
    try write("models/\(name)/1/model.faulty", text + "\n")
    if let settings { try write("models/\(name)/model.json", settings) }
  }

  /// Writes a file anew in one step: readers see the old one or the new one.
  func replace(_ name: String, _ bytes: some Sequence<UInt8>) throws {
    try write("\(name).new", bytes)
    try move("\(name).new", to: name)
  }
}

extension Host {
  /// A host whose manifests are those below "runners" of its folder.
  static func withRunners(
    _ arguments: [String] = [], _ prepare: (TemporaryFolder) throws -> Void
  ) throws -> Host {
    let folder = TemporaryFolder()
    folder.makeFolder("runners")
    return try Host(arguments, manifests: "\(folder.path)/runners", folder: folder, prepare)
  }

  /// What operators see of a runner; nil if they see none.
  func runner(_ id: String = "org.a") throws -> JSONValue? {
    try json("GET", "/v1/runners?all=1")["runners"]?.array?.first { $0["id"]?.string == id }
  }

  /// The faulty runner for a failing test to print.
  var facts: String { (try? runner())??.text ?? "no such runner; \(command.errors)" }

  /// The process of a runner; 0 for none.
  func process(_ id: String = "org.a") throws -> Int32 { Int32(try runner(id)?["processID"]?.int ?? 0) }

  /// The runner that serves a model now.
  func server(of model: String) throws -> String? {
    try json("GET", "/v1/models/\(model)")["versions"]?.array?.first?["runner"]?.string
  }

  /// Asks a faulty model for 1 + bias.
  func ask(_ model: String, timeoutMicros: Int = 0) throws -> HTTPResponse {
    try send("POST", "/v2/models/\(model)/infer", Self.question(timeoutMicros))
  }

  static func question(_ timeoutMicros: Int = 0) -> String {
    let parameters = timeoutMicros > 0 ? #", "parameters": {"timeout": \#(timeoutMicros)}"# : ""
    return #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]\#(parameters)}"#
  }
}

extension HTTPResponse {
  var text: String { String(decoding: body, as: UTF8.self) }
}

enum Processes {
  /// Whether it still runs; a dead one that nobody has asked for doesn't.
  static func runs(_ process: Int32) -> Bool {
    guard let state = state(process) else { return false }
    return state != "Z" && state != "X"
  }

  /// As "S" for one that sleeps; nil for none.
  static func state(_ process: Int32) -> Substring? {
    guard process > 0, let text = FileManager.default.contents(atPath: "/proc/\(process)/stat") else { return nil }
    // The state follows the name, which may hold anything.
    return String(decoding: text, as: UTF8.self).split(separator: ")").last?.split(separator: " ").first
  }

  /// Bytes of a line of /proc/PID/status, such as "RssShmem".
  static func memory(_ key: String, of process: Int32) -> Int {
    let text = String(
      decoding: FileManager.default.contents(atPath: "/proc/\(process)/status") ?? Data(), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("\(key):") }
    return (line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }
}

/// Clients that ask one model without pause, each on a connection and a thread of its own.
final class SteadyClients: Sendable {
  private let answers = Mutex<[String: Int]>([:])
  private let isDone = Atomic<Bool>(false)
  private let ends = DispatchGroup()

  init(_ host: Host, _ model: String, body: String = Host.question(), count: Int = 4, key: String? = nil) {
    let path = host.socket
    for _ in 0..<count {
      ends.enter()
      Thread.detachNewThread { [self] in
        let client = StadionClient(.unix(path: path), timeout: .seconds(20), key: key)
        while !isDone.load(ordering: .acquiring) {
          note(Self.answer(client, model, body))
        }
        ends.leave()
      }
    }
  }

  private static func answer(_ client: StadionClient, _ model: String, _ body: String) -> String {
    do {
      let response = try client.connection.send("POST", "/v2/models/\(model)/infer", body: Array(body.utf8))
      // Without what tells one request from another.
      let text = String(response.text.prefix { $0 != "," })
      return response.status == 200 ? "200" : "\(response.status) \(text)"
    } catch {
      return "\(error)"
    }
  }

  private func note(_ answer: String) { answers.withLock { $0[answer, default: 0] += 1 } }

  /// Requests that were answered as they should be.
  var answered: Int { answers.withLock { $0["200"] ?? 0 } }

  /// Waits until so many further requests have been answered.
  func answersMore(_ count: Int = 50) -> Bool {
    let before = answered
    return holds { answered >= before + count }
  }

  /// - Returns: What else came than answers, with how often it came.
  func stop() -> [String: Int] {
    isDone.store(true, ordering: .releasing)
    ends.wait()
    return answers.withLock { $0.filter { $0.key != "200" } }
  }
}
