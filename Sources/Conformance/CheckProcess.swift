import CLinux
import Glibc
import Wire

/// A check's process, from its start to its end.
struct CheckProcess {
  struct Outcome {
    var findings: [Finding] = []
    var notes: [String] = []
    /// Whether the process was ended by the time limit.
    var hung = false
  }

  private static let shownBytes = 1 << 20  // of each pipe; a runner may print for ever

  /// Runs `check` of `subject` in a process of its own. Blocks, at most a little over the check's limit.
  static func run(_ check: Check, _ subject: Subject) -> Outcome {
    var outcome = Outcome()
    guard let pipes = Pipes() else {
      outcome.notes.append("no pipes: \(String(cString: strerror(errno)))")
      return outcome
    }
    defer { pipes.closeReaders() }
    let words = ["stadion", "runner", "check-process", check.name] + subject.words
    guard let pid = start(words, pipes) else {
      pipes.closeWriters()
      outcome.notes.append("no process: \(String(cString: strerror(errno)))")
      return outcome
    }
    pipes.closeWriters()
    var texts: [[UInt8]] = [[], [], []]
    let end = linux_now_ns() + UInt64(check.limitSeconds(subject)) * 1_000_000_000
    var status: Int32 = 0
    while true {
      pipes.read(&texts, limit: shownBytes, waitMs: 10)
      if waitpid(pid, &status, WNOHANG) == pid { break }
      if linux_now_ns() > end {
        outcome.hung = true
        kill(pid, SIGKILL)
        waitpid(pid, &status, 0)
        break
      }
    }
    pipes.read(&texts, limit: shownBytes, waitMs: 0)
    judge(&outcome, check, subject, status, texts)
    return outcome
  }

  private static func start(_ words: [String], _ pipes: Pipes) -> pid_t? {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, pipes.writers[1], 1)
    posix_spawn_file_actions_adddup2(&actions, pipes.writers[2], 2)
    posix_spawn_file_actions_adddup2(&actions, pipes.writers[0], CheckProcess.descriptor)
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, "/proc/self/exe", &actions, nil, &arguments, environ)
    errno = code
    return code == 0 ? pid : nil
  }

  /// Where a check's process writes its report.
  static let descriptor: Int32 = 3

  private static func judge(
    _ outcome: inout Outcome, _ check: Check, _ subject: Subject, _ status: Int32, _ texts: [[UInt8]]
  ) {
    var doing: JSONValue?
    var touched: Rule?
    var isDone = false
    for line in texts[0].split(separator: UInt8(ascii: "\n")) {
      guard let value = try? JSONValue(parsing: Array(line)) else { continue }
      if let rule = value["finding"]?.string.flatMap(Rule.named), let seen = value["seen"]?.string {
        outcome.findings.append(Finding(rule, seen: seen))
      }
      if let note = value["note"]?.string { outcome.notes.append(note) }
      if value["doing"] != nil { doing = value }
      if let rule = value["touched"]?.string.flatMap(Rule.named) { touched = rule }
      if value["done"] != nil { isDone = true }
    }
    let place = "during \"\(check.title)\": \(doing?["doing"]?.string ?? "start")"
    let errors =
      String(decoding: texts[2].suffix(300), as: UTF8.self).split(separator: "\n").last.map { "; \($0)" } ?? ""
    func add(_ rule: Rule, _ seen: String) { outcome.findings.append(Finding(rule, seen: seen)) }
    func planned(_ key: String) -> Rule? { doing?[key]?.string.flatMap(Rule.named) }
    if outcome.hung {
      add(planned("hang") ?? .hang, "no end after \(check.limitSeconds(subject)) s \(place)")
    } else if status & 0x7F != 0 {
      let signal = status & 0x7F
      add(
        touched ?? planned("crash") ?? .crash,
        "\(String(cString: strsignal(signal))) (signal \(signal)) \(place)\(errors)")
    } else if !isDone {
      add(.exit, "the process ended with exit code \(status >> 8 & 0xFF) \(place)\(errors)")
    }
    if !texts[1].isEmpty {
      let text = String(decoding: texts[1].prefix(80), as: UTF8.self)
      add(.standardOutput, "\(texts[1].count) bytes during \"\(check.title)\": \(text)")
    }
  }
}
