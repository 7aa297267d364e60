import CLinux
import Glibc
package import Inference
package import StadionClient
import Synchronization
import Wire

/// A `stadion serve` of the benchmark's own, with one runner and one model; ended with the last reference.
package final class HostProcess {
  package let process: Int32
  package let address: HostAddress
  private let folder: String

  /// Hosts that must not outlive this process.
  private static let running = Mutex<[pid_t]>([])
  private static let isOver = Mutex(false)

  /// Starts the host and waits until it answers.
  ///
  /// - Parameters:
  ///   - executable: This program.
  ///   - folder: An existing, empty one for its socket and its log.
  ///   - arguments: Of `stadion serve`, beside its socket.
  package init(executable: String, folder: String, arguments: [String]) throws(HostError) {
    self.folder = folder
    address = .unix(path: "\(folder)/s")
    let words = [executable, "serve", "--socket", "\(folder)/s", "--end-with-parent"] + arguments
    process = try Self.start(words, log: "\(folder)/log")
    let client = StadionClient(address, timeout: .seconds(5))
    let end = linux_now_ns() + 30_000_000_000
    while (try? client.isReady()) != true {
      guard !hasEnded, linux_now_ns() < end else {
        throw HostError(.runnerFailed, "a host for the benchmark \(hasEnded ? "ended" : "isn't ready"): \(lastWords)")
      }
      usleep(1000)
    }
  }

  deinit { Self.end(process, with: SIGTERM) }

  /// The log's last lines, as one.
  package var lastWords: String {
    let lines = (try? FileBytes.read("\(folder)/log")).map { String(decoding: $0, as: UTF8.self) } ?? ""
    return lines.split(separator: "\n").suffix(3).joined(separator: " | ")
  }

  /// Where it listens besides its socket, as its log says; nil for one that was started without.
  package var tcpAddress: HostAddress? {
    guard let log = try? FileBytes.read("\(folder)/log") else { return nil }
    for line in log.split(separator: UInt8(ascii: "\n")) {
      guard let entry = try? JSONValue(parsing: Array(line)), entry["message"]?.string == "listening",
        let address = entry["address"]?.string, !address.hasPrefix("/")
      else { continue }
      return try? HostAddress(url: "http://\(address)")
    }
    return nil
  }

  private var hasEnded: Bool {
    var info = siginfo_t()
    // A child that has ended fills the record; its number stays taken until `end` waits for it.
    return waitid(P_PID, id_t(process), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_signo != 0
  }

  static func end(_ process: pid_t, with signal: CInt) {
    kill(process, signal)
    let end = linux_now_ns() + 5_000_000_000
    while waitpid(process, nil, WNOHANG) == 0 {
      if linux_now_ns() > end { kill(process, SIGKILL) }
      usleep(2000)
    }
    running.withLock { $0.removeAll { $0 == process } }
  }

  /// Kills what runs, for a program that a signal ends.
  package static func killAll() {
    isOver.withLock { $0 = true }
    for process in running.withLock({ $0 }) { kill(process, SIGKILL) }
  }

  /// Whether `killAll` was called.
  package static var areKilled: Bool { isOver.withLock { $0 } }

  /// Starts a process that doesn't outlive this one, as long as `end` is called or a signal ends this one.
  ///
  /// - Parameter descriptor: Becomes the child's descriptor 3; nil for none.
  static func start(_ words: [String], log: String, handing descriptor: CInt? = nil) throws(HostError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    if let descriptor { posix_spawn_file_actions_adddup2(&actions, descriptor, 3) }
    // A group of its own: Ctrl-C reaches this process, which then ends its hosts in order.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for text in arguments { free(text) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, words[0], &actions, &attributes, arguments, environ)
    guard code == 0 else {
      throw HostError(.internalError, "can't start \(words[0]): \(String(cString: strerror(code)))")
    }
    running.withLock { $0.append(process) }
    return process
  }
}
