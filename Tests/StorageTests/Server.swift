import Foundation
import Storage
import Synchronization
import Testing
import Wire

/// A provider's stand-in, one of Tests/StorageTests/Servers, with faults; ended with the last reference.
final class Server: Sendable {
  struct NotReady: Error, CustomStringConvertible { let description: String }

  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let python =
    ProcessInfo.processInfo.environment["STADION_STORAGE_PYTHON"] ?? root + "/.stadion/storage-venv/bin/python"
  private static let isRequired = ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1"
  static let isThere = isRequired || FileManager.default.fileExists(atPath: python)
  static let needs: Comment = "requires: moto and the providers' SDKs (make test-setup)"

  let address: String
  private let pid: pid_t
  private let folder = TemporaryFolder()

  init(_ script: String, _ arguments: [String]) throws {
    let path = "\(Self.root)/Tests/StorageTests/Servers/\(script)"
    let log = "\(folder.path)/log"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    let words: [UnsafeMutablePointer<CChar>?] = ([Self.python, "-B", path] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, Self.python, &actions, nil, words, environ)
    guard code == 0 else {
      throw NotReady(description: "can't start \(Self.python): \(String(cString: strerror(code)))")
    }
    self.pid = pid
    // A cold start on a busy machine takes seconds.
    let end = ContinuousClock.now + .seconds(90)
    var text = ""
    while true {
      text = String(decoding: FileManager.default.contents(atPath: log) ?? Data(), as: UTF8.self)
      if let line = text.split(separator: "\n").first(where: { $0.hasPrefix("ADDRESS ") }), text.hasSuffix("\n") {
        address = String(line.dropFirst("ADDRESS ".count))
        return
      }
      guard ContinuousClock.now < end, waitpid(pid, nil, WNOHANG) == 0 else { break }
      usleep(20_000)
    }
    address = ""
    throw NotReady(description: "\(script) isn't ready: \(text)")
  }

  deinit {
    kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
  }

  struct Fault {
    var fields: [(String, JSONValue)]

    static func status(_ status: Int, _ code: String = "Error", retryAfter: Int? = nil) -> Fault {
      Fault(
        fields: [("kind", "status"), ("status", .integer(status)), ("code", .string(code))]
          + (retryAfter.map { [("retry_after", .integer($0))] } ?? []))
    }
    static func at(_ kind: String, bytes: Int) -> Fault {
      Fault(fields: [("kind", .string(kind)), ("bytes", .integer(bytes))])
    }
    static let stall = Fault(fields: [("kind", "stall")])
    static let lose = Fault(fields: [("kind", "lose")])
    static func late(seconds: Int) -> Fault { Fault(fields: [("kind", "late"), ("seconds", .integer(seconds))]) }

    func on(_ method: String, _ path: String = "", skip: Int = 0, count: Int = 1) -> Fault {
      Fault(
        fields: fields + [
          ("method", .string(method)), ("path", .string(path)), ("skip", .integer(skip)), ("count", .integer(count)),
        ])
    }
  }

  /// In place of earlier faults.
  func meet(_ faults: Fault...) throws {
    let list = JSONValue.array(faults.map { .object($0.fields.map { JSONValue.Member($0.0, $0.1) }) })
    _ = try control("PUT", "_faults", list.text)
  }

  func setClock(ahead seconds: Int) throws { _ = try control("PUT", "_clock", String(seconds)) }

  struct Request: Sendable {
    let method: String
    let target: String
    let headers: [String: String]
    let byteCount: Int
    let refusal: String?
    let fault: String?
  }

  /// What was asked so far.
  func requests() throws -> [Request] {
    let list = try JSONValue(parsing: Array(control("GET", "_requests", "").utf8)).array ?? []
    return list.map { row in
      Request(
        method: row["method"]?.string ?? "", target: row["target"]?.string ?? "",
        headers: Dictionary(
          (row["headers"]?.members ?? []).map { ($0.key.lowercased(), $0.value.string ?? "") }, uniquingKeysWith: { $1 }
        ),
        byteCount: row["byteCount"]?.int ?? -1, refusal: row["refusal"]?.string, fault: row["fault"]?.string)
    }
  }

  /// A request that meets no fault, by a client of its own.
  private func control(_ method: String, _ path: String, _ body: String) throws -> String {
    let pipe = Pipe()
    let bodyFile = "\(folder.path)/\(UUID())"
    try Data(body.utf8).write(to: URL(fileURLWithPath: bodyFile))
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pipe.fileHandleForWriting.fileDescriptor, 1)
    let words =
      [
        "curl", "--silent", "--fail", "--insecure", "--noproxy", "*", "-X", method, "--data-binary", "@\(bodyFile)",
        "\(address)/\(path)",
      ]
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for word in arguments { free(word) } }
    var pid: pid_t = 0
    guard posix_spawnp(&pid, "curl", &actions, nil, arguments, environ) == 0 else {
      throw NotReady(description: "can't start curl")
    }
    try pipe.fileHandleForWriting.close()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    guard status == 0 else { throw NotReady(description: "\(address)/\(path): curl ends with \(status)") }
    return String(decoding: output, as: UTF8.self)
  }
}
