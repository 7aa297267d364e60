import Foundation

/// StorageProbe in a process of its own; killed with the last reference.
final class Probe {
  struct NoEnd: Error {}

  private let pid: pid_t
  private let folder = TemporaryFolder()

  init(_ words: String..., environment: [String: String] = [:]) throws {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let path = (executable as NSString).deletingLastPathComponent + "/StorageProbe"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 1, "\(folder.path)/output", O_WRONLY | O_CREAT, 0o600)
    let arguments: [UnsafeMutablePointer<CChar>?] = ([path] + words).map { strdup($0) } + [nil]
    let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var pid: pid_t = 0
    guard posix_spawn(&pid, path, &actions, nil, arguments, variables) == 0 else { throw POSIXError(.ENOENT) }
    self.pid = pid
  }

  deinit { kill() }

  func kill() {
    Foundation.kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
  }

  /// What it printed, line by line, once it has ended.
  func output() throws -> [String] {
    guard holds(limit: .seconds(300), { waitpid(pid, nil, WNOHANG) != 0 }) else { throw NoEnd() }
    return try String(contentsOfFile: "\(folder.path)/output", encoding: .utf8).split(separator: "\n").map(String.init)
  }
}

/// Waits until `condition` holds; false after `limit`.
func holds(limit: Duration = .seconds(20), _ condition: () throws -> Bool) rethrows -> Bool {
  let end = ContinuousClock.now + limit
  while true {
    if try condition() { return true }
    if ContinuousClock.now > end { return false }
    usleep(2000)
  }
}
