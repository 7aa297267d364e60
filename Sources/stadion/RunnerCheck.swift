import Conformance
import Glibc
import Inference
import StadionClient
import Wire

/// `stadion runner check`: whether a library keeps the runner contract.
enum RunnerCheck {
  private static let subjectOptions = [
    CommandSpec.Option("--model", value: "FILE", help: "A model of the runner's format to load and run."),
    CommandSpec.Option(
      "--option", value: "KEY=VALUE", isRepeated: true, help: "For load, as in model.json; may stand in for a model."),
    CommandSpec.Option(
      "--runner-option", value: "KEY=VALUE", isRepeated: true, help: "For create, as in the runner's manifest."),
    CommandSpec.Option(
      "--loads", value: "N", help: "Loads of the leak check, each with a second of time (default: 1000, within 20 s)."),
  ]

  static let spec = CommandSpec(
    "stadion runner check", "Check a runner's library against the contract, for its author.", operands: ["PATH.so"],
    options: subjectOptions + [
      CommandSpec.Option("--only", value: "CHECK", isRepeated: true, help: "This check alone; --json names them."),
      CommandSpec.Option("--json", help: "Findings for programs."),
    ],
    details: """
      Each check runs in a process of its own: a crash or a hang is a finding. Exit codes: 0 nothing found or warnings
      alone, 1 errors found, 2 asked wrongly.
      """)

  private struct Found: Error, CustomStringConvertible {
    let description: String
  }

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let subject = try subject(arguments, library: try realPath(arguments.operands[0]))
    let only = arguments.values("--only")
    if let unknown = only.first(where: { !Conformance.names.contains($0) }) {
      throw UsageError("no check \"\(unknown)\"; there are \(Conformance.names.joined(separator: ", "))")
    }
    let isQuiet = arguments.has("--json") || isatty(STDERR_FILENO) == 0
    let outcome = Conformance(subject, only: only) { title in if !isQuiet { StandardError.print("checking \(title) …") }
    }
    if arguments.has("--json") {
      print(outcome.json.text)
    } else {
      var table = Table()
      for check in outcome.checks { table.add(check.title, check.result) }
      print(table.text)
      for finding in outcome.findings {
        let lines = finding.text.split(separator: "\n").map { Table.printable(String($0)) }
        print("\n" + lines.joined(separator: "\n"))
      }
    }
    let errors = outcome.findings.count { $0.severity == .error }
    if errors > 0 { throw Found(description: "\(errors) \(errors == 1 ? "error" : "errors") in \(subject.path)") }
  }

  /// What the process of one check does; started by `run` alone.
  static func runProcess(_ words: [String]) throws {
    let library = CommandSpec.Option("--library", value: "PATH", help: "The library.")
    let spec = CommandSpec("stadion runner check-process", "", operands: ["CHECK"], options: subjectOptions + [library])
    let arguments = try Arguments(words, for: spec)
    guard let path = arguments.value("--library") else { throw UsageError("--library is missing") }
    guard fcntl(3, F_GETFD) >= 0, Conformance.runCheck(arguments.operands[0], try subject(arguments, library: path))
    else { throw UsageError("runner check-process is started by `stadion runner check` alone") }
  }

  private static func subject(_ arguments: Arguments, library: String) throws -> Subject {
    Subject(
      path: library, model: try arguments.value("--model").map { try realPath($0) },
      options: try options("--option", arguments), runnerOptions: try options("--runner-option", arguments),
      loads: try loads(arguments))
  }

  private static func loads(_ arguments: Arguments) throws(UsageError) -> Int? {
    guard let text = arguments.value("--loads") else { return nil }
    guard let loads = Int(text), (1...100_000).contains(loads) else {
      throw UsageError("--loads wants 1 to 100000, not \"\(text)\"")
    }
    return loads
  }

  private static func options(_ name: String, _ arguments: Arguments) throws -> [Subject.Option] {
    try arguments.values(name).map { text in
      guard let option = Subject.Option(text) else { throw UsageError("\(name) wants KEY=VALUE, not \"\(text)\"") }
      return option
    }
  }

  /// Absolute and without links, as the contract promises for `load`.
  private static func realPath(_ path: String) throws(UsageError) -> String {
    guard let real = realpath(path, nil) else { throw UsageError("\(path): \(String(cString: strerror(errno)))") }
    defer { free(real) }
    return String(cString: real)
  }
}
