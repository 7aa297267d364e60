import Configuration
import Glibc
import Inference
import RunnerProcess
import StadionClient
import Wire

/// One thing that `stadion` does.
struct Verb: Sendable {
  let spec: CommandSpec
  let run: @Sendable ([String]) throws -> Void

  /// What is typed behind `stadion`: one or two words.
  var words: [String] { spec.name.split(separator: " ").dropFirst().map(String.init) }
}

/// The command line: finds the verb, runs it, and turns its error into one line and an exit code.
@main
struct Stadion {
  static let version = "0.1.0"

  static let verbs =
    [
      Verb(spec: Serve.spec, run: Serve.run),
      Verb(spec: Infer.spec, run: Infer.run),
      Verb(spec: Bench.spec, run: Bench.run),
      Verb(spec: Top.spec, run: Top.run),
      Verb(spec: RunnerList.spec, run: RunnerList.run),
      Verb(spec: RunnerShow.spec, run: RunnerShow.run),
      Verb(spec: RunnerRestart.spec, run: RunnerRestart.run),
      Verb(spec: RunnerNew.spec, run: RunnerNew.run),
      Verb(spec: RunnerCheck.spec, run: RunnerCheck.run),
      Verb(spec: ModelList.spec, run: ModelList.run),
      Verb(spec: ModelShow.spec, run: ModelShow.run),
      Verb(spec: ModelLoad.load.spec, run: ModelLoad.load.run),
      Verb(spec: ModelLoad.unload.spec, run: ModelLoad.unload.run),
      Verb(spec: ModelPush.spec, run: ModelPush.run),
      Verb(spec: ModelRegister.spec, run: ModelRegister.run),
      Verb(spec: ModelHistory.spec, run: ModelHistory.run),
      Verb(spec: ModelRegistered.spec, run: ModelRegistered.run),
      Verb(spec: ModelGates.spec, run: ModelGates.run),
      Verb(spec: QuotaShow.spec, run: QuotaShow.run),
    ] + ModelPlaces.all.map { Verb(spec: $0.spec, run: $0.run) } + tenants

  private static let tenants =
    [Verb(spec: TenantList.spec, run: TenantList.run)] + TenantVerbs.all.map { Verb(spec: $0.spec, run: $0.run) }
    + [Verb(spec: TenantAudit.spec, run: TenantAudit.run), Verb(spec: KeyList.spec, run: KeyList.run)]
    + KeyVerbs.all.map { Verb(spec: $0.spec, run: $0.run) }

  static func main() {
    end(run(Array(CommandLine.arguments.dropFirst())))
  }

  /// Ends the process. What engines in it do at its end isn't run: they unload parts that their threads are still in.
  static func end(_ status: Int32) -> Never {
    fflush(nil)
    _exit(status)
  }

  /// - Returns: 0 done, 1 failed, 2 asked wrongly.
  static func run(_ words: [String]) -> Int32 {
    do {
      try dispatch(words)
      return 0
    } catch let error as ConfigurationError {
      for problem in error.problems { StandardError.print("stadion: \(Table.printable(problem))") }
      return 2
    } catch {
      // One line, whatever the server's text holds.
      StandardError.print("stadion: \(Table.printable(String(describing: error) + reference(error)))")
      return error is UsageError ? 2 : 1
    }
  }

  /// What to look for in the documentation, and in the host's log where the cause stands there; nothing for errors of
  /// our own.
  private static func reference(_ error: any Error) -> String {
    guard let error = error as? HostError, let id = error.requestID else { return "" }
    return error.code.httpStatus < 500 ? " (\(error.code))" : " (\(error.code), request \(id))"
  }

  private static func dispatch(_ words: [String]) throws {
    if words.isEmpty { throw UsageError("a verb is missing; see `stadion --help`") }
    if words.starts(with: ["runner", "check-process"]) { return try RunnerCheck.runProcess(Array(words.dropFirst(2))) }
    if words[0] == "runner-process" { ChildProcess.run() }
    if words[0] == "bench-process" { Bench.runProcess() }
    if words[0] == "reference" { return try Reference.run(Array(words.dropFirst())) }
    if let verb = verbs.first(where: { words.starts(with: $0.words) }) {
      return try verb.run(Array(words.dropFirst(verb.words.count)))
    }
    switch words[0] {
    case "--help", "-h", "help": print(help(verbs))
    case "--version": print("stadion \(version)")
    default: try group(words)
    }
  }

  /// Help for `stadion runner`, or the reason why there is no such verb.
  private static func group(_ words: [String]) throws {
    let group = verbs.filter { $0.words[0] == words[0] }
    if group.isEmpty {
      let known = Set(verbs.map { $0.words[0] }).sorted()
      let advice = NearestWord.to(words[0], among: known).map { "did you mean \($0)?" } ?? "see `stadion --help`"
      throw UsageError("unknown verb \"\(words[0])\"; \(advice)")
    }
    if words.dropFirst().contains(where: { $0 == "--help" || $0 == "-h" }) { return print(help(group)) }
    let known = group.compactMap { $0.words.last }
    let advice = "\(words[0]) takes \(known.joined(separator: ", "))"
    throw UsageError(words.count > 1 ? "unknown verb \"\(words[0]) \(words[1])\"; \(advice)" : advice)
  }

  private static func help(_ verbs: [Verb]) -> String {
    var table = Table()
    for verb in verbs {
      table.add("  \(([verb.spec.name] + verb.spec.operands).joined(separator: " "))", verb.spec.summary)
    }
    return """
      Stadion serves models on this machine through runners that are dropped in.

      \(table.text)

      Each takes --help. Clients find the host at --socket PATH, $STADION_SOCKET, $XDG_RUNTIME_DIR/stadion.sock or
      /run/stadion.sock, or at --url http://host:port, with --key KEY or $STADION_KEY where they need one. Exit codes: 0 done, 1 failed, 2 asked wrongly.
      """
  }
}
