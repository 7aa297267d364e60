import Foundation

/// StoreProbe in a process of its own; killed with the last reference.
final class Probe {
  private let pid: pid_t
  private let outputPath: String

  init(_ words: String..., output: String) throws {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let path = (executable as NSString).deletingLastPathComponent + "/StoreProbe"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    let arguments: [UnsafeMutablePointer<CChar>?] = ([path] + words).map { strdup($0) } + [nil]
    defer { for text in arguments { free(text) } }
    var pid: pid_t = 0
    guard posix_spawn(&pid, path, &actions, nil, arguments, environ) == 0 else { throw POSIXError(.ENOENT) }
    self.pid = pid
    outputPath = output
  }

  deinit { kill() }

  func kill() {
    Foundation.kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
  }

  /// Whole lines that it has printed so far.
  var lines: [String] {
    let text = (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? ""
    return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
  }

  /// Whether it ends by itself.
  func ends() -> Bool { holds { waitpid(pid, nil, WNOHANG) != 0 } }
}

/// Waits until `condition` holds; false after `limit`.
func holds(limit: Duration = .seconds(60), _ condition: () -> Bool) -> Bool {
  let end = ContinuousClock.now + limit
  while !condition() {
    if ContinuousClock.now > end { return false }
    usleep(1000)
  }
  return true
}

/// A folder of one test, gone with it.
final class TemporaryFolder: Sendable {
  let path: String
  var database: String { "\(path)/test.db" }

  init() {
    var template = Array("/tmp/stadion-store-XXXXXX".utf8CString)
    path = String(cString: mkdtemp(&template))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
