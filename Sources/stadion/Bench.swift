import Benchmarking
import CLinux
import Glibc
import Inference
import StadionClient
import Telemetry
import Wire

/// `stadion bench`: runners side by side on the same inputs.
enum Bench {
  static let spec = CommandSpec(
    "stadion bench", "Compare runners on a model: latency, throughput, memory, and whether they agree.",
    operands: ["MODEL[:VERSION]"], options: subjectOptions + inputOptions + planOptions + reportOptions,
    details: """
      Each runner gets a host of its own for each of the model's formats that it serves, started for the benchmark, with
      the models and manifests of the running host or of --models and --manifests. All get the same inputs; rounds of
      all runners alternate in random order, and verdicts come from whole starts, or from rounds where there are fewer
      than ten starts. The first runner is the reference that the others are compared with.

        stadion bench basic_pitch
        stadion bench basic_pitch --runner onnxruntime --runner onnxruntime,intra_op_threads=2 --report out.html
        stadion bench basic_pitch --inputs recordings/ --batch 1,4 --ways all
        stadion bench basic_pitch --url http://127.0.0.1:8000 --rate 100,200

      Exit codes: 0 done, 1 outputs differ, requests failed, or slower than --compare; 2 asked wrongly.
      """)

  private static let subjectOptions: [CommandSpec.Option] = [
    .init(
      "--runner", value: "ID[,KEY=VALUE]", isRepeated: true,
      help: "A runner or its manifest's file, with other options; the first is the reference (default: all that fit)."),
    .init(
      "--sweep", value: "KEY=VALUE,VALUE,…", isRepeated: true,
      help: "Each --runner once with each of these values of an option, as intra_op_threads=1,2."),
    .init("--format", value: "FORMAT", isRepeated: true, help: "Of a model in several (default: all)."),
    .init("--models", value: "DIR", help: "Model repository (default: where the running host has the model)."),
    .init("--manifests", value: "PATH[:PATH]", isRepeated: true, help: "Runner manifests (default: as for serve)."),
    .init("--direct", help: "Measure the server at --socket or --url itself; start nothing."),
    .init(
      "--socket", value: "PATH", isRepeated: true,
      help: "The running host's Unix socket; several are servers to compare."),
    .init("--url", value: "URL", isRepeated: true, help: "Servers of the protocol to measure as they are."),
    ClientOptions.key,
  ]

  private static let inputOptions: [CommandSpec.Option] = [
    .init(
      "--input", value: "NAME=FILE|JSON", isRepeated: true,
      help: "An input as for `stadion infer` (default: generated)."),
    .init(
      "--inputs", value: "DIR|FILE", isRepeated: true,
      help:
        "Files as inputs, taken in turn: npy, WAVE, PNG, JPEG, …; INPUT.npy or INPUT.TAG.npy where there are several."),
    .init(
      "--picture", value: "KEY=VALUE,…",
      help: "How pictures become floats: layout=nhwc, order=bgr, mean=X:X:X, scale=X, as (sample / 255 - mean) * scale."
    ),
    .init("--batch", value: "N,N,…", help: "Requests of so many rows, where the model's first dimension is open."),
    .init("--encoding", value: "KIND", help: "Of tensors in requests: binary, or json for servers that know no other."),
    .init(
      "--shape", value: "NAME=N,N,…", isRepeated: true,
      help: "Sizes of a generated input where the model leaves them free."),
    .init("--seed", value: "N", help: "For generated inputs, the order of rounds and arrivals (1)."),
  ]

  private static let planOptions: [CommandSpec.Option] = [
    .init("--concurrency", value: "N,N,…", help: "Connections, each with one request in flight (1,4)."),
    .init("--duration", value: "SECONDS", help: "Measured time per runner and concurrency (5)."),
    .init("--rounds", value: "N", help: "Rounds that this time is divided into (150); 10 at least for verdicts."),
    .init(
      "--starts", value: "N", help: "Hosts that each runner gets, one after the other (30; fewer if loading is slow)."),
    .init("--warm-up", value: "SECONDS", help: "Longest warm-up; it ends when three windows agree (3)."),
    .init("--stability", value: "PERCENT", help: "How near to each other they must be (5)."),
    .init(
      "--ways", value: "WAY,…",
      help: "Also ask each runner, on one connection, in-process (no host), by tcp, by tcp-json; or all."),
    .init("--rate", value: "N,N,…", help: "Also an open loop at these requests a second."),
    .init("--arrivals", value: "KIND", help: "poisson or constant, for --rate and --find-rate (poisson)."),
    .init("--connections", value: "N", help: "Connections of the open loop at most (64)."),
    .init("--find-rate", value: "pN=TIME", help: "Search the highest rate that keeps this, as p99=5ms."),
    .init("--least-effect", value: "PERCENT", help: "Smaller differences count as none (1)."),
    .init("--relative-tolerance", value: "X", help: "Of outputs, relative to the reference's (0.001)."),
    .init("--absolute-tolerance", value: "X", help: "Of outputs, added to it (0.0001)."),
    .init("--timeout-ms", value: "N", help: "Longest wait for one answer (60000)."),
    .init(
      "--serve-option", value: "WORD", isRepeated: true, help: "Further words for each `stadion serve`, as --loops=1."),
  ]

  private static let reportOptions: [CommandSpec.Option] = [
    .init("--json", value: "FILE", help: "Everything, for programs; - is standard output."),
    .init("--compare", value: "FILE", help: "An earlier --json; what became slower is an error."),
    .init("--threshold", value: "PERCENT", help: "For --compare: slower by less is none (5)."),
    .init("--markdown", help: "Print Markdown instead of tables."),
    .init("--report", value: "FILE", help: "One HTML file with charts."),
  ]

  private struct Failed: Error, CustomStringConvertible { let description: String }

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let options = try BenchOptions(arguments)
    let progress = ProgressLine()
    let work = try WorkFolder()
    BenchSignals.start(removing: work.path)
    do {
      try measure(words, arguments, options, work, progress)
    } catch {
      // A signal's thread ends this process, with the signal's exit code: that hosts end is no error then.
      while HostProcess.areKilled { pause() }
      throw error
    }
  }

  private static func measure(
    _ words: [String], _ arguments: Arguments, _ options: BenchOptions, _ work: WorkFolder, _ progress: ProgressLine
  ) throws {
    defer { progress.clear() }
    let startedAt = WallClock.text(ms: WallClock.nowMs)
    let baseline = try arguments.value("--compare").map { file in
      try Baseline(try JSONValue(parsing: try FileBytes.read(file)), name: file)
    }
    var field = try BenchField(arguments, options, work, progress)
    var benchmark = Benchmark(field.subjects, workloads: field.workloads, plan: options.plan) { progress.show($0) }
    // Only the benchmark keeps them now: a host ends when it gets another in its place.
    field.subjects = []
    var result = BenchmarkResult(
      model: arguments.operands[0],
      inputs: field.specs, inputSeed: arguments.has("--input") || arguments.has("--inputs") ? nil : options.plan.seed,
      plan: options.plan, noise: .measure())
    result.startedAt = startedAt
    result.command = (["stadion", "bench"] + words).map(quoted).joined(separator: " ")
    result.absent = field.absent
    result.sampleNames = field.sampleNames
    result.inputNotes = field.notes
    try benchmark.compareOutputs(&result)
    // Loud and early: a runner that computes something else need not be fast.
    progress.clear()
    for line in Sentences.mismatches(result) { StandardError.print("stadion: \(Table.printable(line))") }
    try benchmark.measure(&result)
    progress.clear()
    let changes = baseline?.changes(to: result, leastEffect: options.threshold) ?? []
    try report(result, changes, arguments)
    try conclude(result, changes)
  }

  /// As a shell takes it.
  private static func quoted(_ word: String) -> String {
    let isPlain =
      !word.isEmpty && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./:=,%+@".contains($0)) }
    return isPlain
      ? word : "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  /// What `BareRunner` starts.
  static func runProcess() -> Never { BareChild.run { try Serve.manifestSearch([$0]) } }

  private static func report(_ result: BenchmarkResult, _ changes: [Baseline.Change], _ arguments: Arguments) throws {
    let json = arguments.value("--json")
    if let json, json != "-" { try FileBytes.write(Array((JSONReport.make(result).text + "\n").utf8), to: json) }
    if let file = arguments.value("--report") { try FileBytes.write(Array(HTMLReport.make(result).utf8), to: file) }
    if json == "-" { return print(JSONReport.make(result).text) }
    print(arguments.has("--markdown") ? MarkdownReport.make(result) : TextReport.make(result))
    if !changes.isEmpty { print("") }
    for change in changes { print(Table.printable(Sentences.change(change))) }
  }

  private static func conclude(_ result: BenchmarkResult, _ changes: [Baseline.Change]) throws {
    if let wrong = result.mismatches.first {
      throw Failed(
        description: "the outputs of \(result.mismatches.map(\.name).joined(separator: ", ")) differ from those of "
          + "\(result.subjects[0].name) (\(wrong.parity.first { !$0.passes }?.name ?? "")); a wider --relative-tolerance "
          + "accepts more")
    }
    if result.errorCount > 0 { throw Failed(description: "\(result.errorCount) requests failed; the notes say how") }
    let slower = changes.filter { if case .slower = $0.verdict { true } else { false } }
    if let first = slower.first {
      let more = slower.count > 1 ? ", and \(slower.count - 1) more" : ""
      throw Failed(description: "slower than before: \(Sentences.change(first))\(more)")
    }
  }
}
