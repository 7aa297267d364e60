import Foundation
import Testing

/// Something that a runner must not do.
struct Escape: Sendable, CustomTestStringConvertible {
  let word: String
  /// What it ends with when confined.
  let code: Int32
  let argument: @Sendable (Surroundings) -> String
  /// Whether without confinement, too, only root may.
  let needsRoot: Bool

  init(
    _ word: String, _ code: Int32, needsRoot: Bool = false,
    _ argument: @escaping @Sendable (Surroundings) -> String = { _ in "" }
  ) {
    (self.word, self.code, self.needsRoot, self.argument) = (word, code, needsRoot, argument)
  }

  var testDescription: String { word }

  static let all: [Escape] = [
    // Files.
    Escape("write-passwd", EACCES, needsRoot: true), Escape("read-passwd", EACCES),
    Escape("read", EACCES) { $0.other }, Escape("read", EACCES) { $0.folder + "/own/link.onnx" },
    Escape("list", EACCES) { $0.folder + "/other" }, Escape("list", EACCES) { _ in "/" },
    Escape("write", EACCES) { $0.own }, Escape("make-file", EACCES) { $0.folder + "/own/new" },
    Escape("remove-file", EPERM) { $0.own }, Escape("change-length", EPERM) { $0.own },
    Escape("change-mode", EPERM) { $0.own }, Escape("change-mode-open", EPERM) { $0.own },
    Escape("shared-memory", EACCES) { "/" + URL(fileURLWithPath: $0.folder).lastPathComponent },
    Escape("shared-segment", EPERM), Escape("change-folder", EPERM),
    // Network.
    Escape("connect", EPERM) { "\($0.port)" }, Escape("connect-unix", EPERM) { $0.streamServer },
    Escape("send-udp", EPERM) { "\($0.port)" }, Escape("send-elsewhere", EPERM) { $0.datagramServer },
    Escape("netlink", EPERM),
    // Processes.
    Escape("fork", EPERM), Escape("raw-clone", EPERM), Escape("clone3", ENOSYS), Escape("exec", EPERM),
    Escape("system", ECHILD), Escape("kill-parent", EPERM), Escape("kill-group", EPERM),
    Escape("kill-by-descriptor", EPERM), Escape("signal-owner", EPERM), Escape("ptrace-parent", EPERM, needsRoot: true),
    Escape("read-parent-memory", EPERM, needsRoot: true), Escape("read-parent-environment", EACCES),
    Escape("slow-parent", EPERM), Escape("list-proc", EACCES), Escape("list-connections", EACCES),
    // Privileges, and parts of the kernel that runners have no use for.
    Escape("raise-limits", EPERM) { _ in "300" }, Escape("allow-dumps", EPERM), Escape("dumpable", EPERM),
    Escape("cores", EPERM), Escape("gain-privileges", EPERM),
    Escape("capabilities", EPERM, needsRoot: true),
    Escape("namespace", EPERM, needsRoot: true), Escape("mount", EPERM, needsRoot: true) { $0.cache },
    Escape("become-nobody", EPERM, needsRoot: true), Escape("change-root", EPERM, needsRoot: true),
    Escape("io-uring", EPERM, needsRoot: true), Escape("perf", EPERM, needsRoot: true),
    Escape("bpf", EPERM, needsRoot: true), Escape("keys", EPERM), Escape("userfaultfd", EPERM, needsRoot: true),
  ]
}

@Suite struct `A confined runner` {
  let surroundings = try! Surroundings()

  private func probe(_ words: [String]) throws -> Probe {
    try Probe(["read=\(surroundings.folder)/own"] + words, input: surroundings.input)
  }

  /// And would without confinement: else its failure proved nothing.
  @Test(arguments: Escape.all)
  func `doesn't escape`(by escape: Escape) throws {
    let argument = escape.argument(surroundings)
    let attempt = argument.isEmpty ? escape.word : "\(escape.word):\(argument)"
    let confined = try probe(["try=\(attempt)"])
    #expect(confined.result(attempt) == escape.code, "\(confined.output)")
    if escape.needsRoot && getuid() != 0 { return }
    // Who executes another program says nothing more.
    #expect(try probe(["free", "try=\(attempt)"]).result(attempt) == (escape.word == "exec" ? nil : 0))
  }

  #if arch(x86_64)
    @Test func `is ended by a system call of another architecture`() throws {
      let confined = try probe(["try=32-bit"])
      #expect(confined.endedBySignal)
      #expect(confined.status == SIGSYS)
    }
  #endif

  @Test func `puts no words into the terminal of others`() throws {
    var terminal: Int32 = -1
    var slave: Int32 = -1
    try #require(openpty(&terminal, &slave, nil, nil, nil) == 0)
    defer { close(terminal) }
    let input = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
    #expect(try Probe(["try=terminal"], input: input).result("terminal") == ENOTTY)
    #expect(try Probe(["device=/dev/full", "try=terminal"], input: input).result("terminal") == EPERM)
    if getuid() == 0 { #expect(try Probe(["free", "try=terminal"], input: input).result("terminal") == 0) }
  }
}
