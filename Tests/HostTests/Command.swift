import Foundation
import Synchronization

/// A program that runs beside the test, with its output in files of its own.
///
/// Started by posix_spawn and waited for by polling: Foundation's `Process` wants a run loop on the thread it is used on.
final class Command: Sendable {
  struct Result: Sendable {
    /// Exit code; 128 + the signal's number if one ended it.
    let status: Int32
    let output: String
    let errors: String
  }

  struct NoEnd: Error, CustomStringConvertible { let description: String }

  let pid: pid_t
  private let words: [String]
  private let folder = TemporaryFolder()
  private let ended = Mutex<Int32?>(nil)

  /// - Parameters:
  ///   - words: The program, found on PATH, and its arguments.
  ///   - environment: Beside PATH; nothing else is handed down.
  init(_ words: [String], input: [UInt8] = [], environment: [String: String] = [:]) throws {
    self.words = words
    let input = try folder.write("input", input)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "\(folder.path)/output", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, "\(folder.path)/errors", O_WRONLY | O_CREAT | O_APPEND, 0o600)
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let settings = environment.merging(["PATH": path]) { given, _ in given }
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    let variables: [UnsafeMutablePointer<CChar>?] = settings.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, words[0], &actions, nil, arguments, variables)
    guard code == 0 else { throw NoEnd(description: "can't start \(words[0]): \(String(cString: strerror(code)))") }
    self.pid = pid
  }

  deinit {
    guard status == nil else { return }
    kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
  }

  var output: String { text("output") }
  var errors: String { text("errors") }

  private func text(_ name: String) -> String {
    String(decoding: FileManager.default.contents(atPath: "\(folder.path)/\(name)") ?? Data(), as: UTF8.self)
  }

  /// Nil while it runs.
  var status: Int32? {
    ended.withLock { ended in
      if let ended { return ended }
      var code: Int32 = 0
      guard waitpid(pid, &code, WNOHANG) == pid else { return nil }
      ended = code & 0x7F == 0 ? code >> 8 & 0xFF : 128 + code & 0x7F
      return ended
    }
  }

  func send(_ signal: Int32) { kill(pid, signal) }

  /// Waits for the end.
  ///
  /// - Throws: `NoEnd` after `limit`; the program is killed when this object goes.
  func wait(limit: Duration = .seconds(30)) throws -> Result {
    guard holds(limit: limit, { status != nil }), let status else {
      throw NoEnd(description: "\(words.joined(separator: " ")) didn't end in \(limit): \(output)\(errors)")
    }
    return Result(status: status, output: output, errors: errors)
  }

  /// Runs a program to its end.
  static func run(
    _ words: [String], input: [UInt8] = [], environment: [String: String] = [:], limit: Duration = .seconds(30)
  ) throws -> Result {
    try Command(words, input: input, environment: environment).wait(limit: limit)
  }
}

/// Whether a condition comes to hold within `limit`; asks every few milliseconds.
func holds(limit: Duration = .seconds(20), _ condition: () throws -> Bool) rethrows -> Bool {
  let end = ContinuousClock.now + limit
  while true {
    if try condition() { return true }
    if ContinuousClock.now > end { return false }
    usleep(5000)
  }
}
