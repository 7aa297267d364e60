import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// What `stadion bench` sends: files, batches, and the ways on which they reach a runner.
@Suite(.blocking) struct `What a benchmark sends` {
  private let folder = TemporaryFolder()
  private let quick = ["--duration", "0.2", "--rounds", "10", "--warm-up", "0.1", "--starts", "1"]

  init() throws { try folder.addEcho("vector", "X:f32[-1,4]") }

  private func bench(_ model: String, _ words: [String]) throws -> Command.Result {
    let own = ["--models", "\(folder.path)/models", "--manifests", Setup.manifests]
    return try Command.run(
      [Setup.stadion, "bench", model] + own + quick + words, environment: ["TMPDIR": folder.path], limit: .seconds(120))
  }

  private func json(_ result: Command.Result) throws -> JSONValue {
    #expect(result.status == 0, "\(result.errors)")
    return try JSONValue(parsing: result.output)
  }

  private func addInputs(_ count: Int) throws {
    for number in 0..<count {
      try folder.write(
        "inputs/\(number).npy", try NumPyFile.write(floats("", [1, 4], [Float](repeating: Float(number), count: 4))))
    }
  }

  @Test func `are the files of a folder in turn, of which the report tells`() throws {
    try addInputs(5)
    let words = ["--runner", "echo", "--runner", "echo", "--concurrency", "1", "--inputs", "\(folder.path)/inputs"]
    let report = try json(try bench("vector", words + ["--json", "-"]))
    #expect(report["samples"]?.array?.compactMap(\.string) == (0..<5).map { "\($0).npy" })
    #expect(report["inputSeed"] == .null)
    let runners = try #require(report["runners"]?.array)
    // Each sample's own answer is what its later answers are compared with.
    #expect(runners.allSatisfy { $0["loads"]?.array?.allSatisfy { $0["changed"]?.int == 0 } == true })
    #expect(runners[1]["parity"]?.array?.first?["elements"]?.int == 20)
    let text = try bench("vector", words)
    #expect(text.output.contains("5 samples in turn: 0.npy, 1.npy, 2.npy and 2 more"), "\(text.output)")
  }

  @Test func `are batches of several sizes`() throws {
    try addInputs(3)
    let words = ["--runner", "echo", "--concurrency", "1", "--batch", "1,4", "--inputs", "\(folder.path)/inputs"]
    let report = try json(try bench("vector", words + ["--json", "-"]))
    let loads = try #require(report["runners"]?.array?.first?["loads"]?.array)
    #expect(loads.map { $0["batch"]?.int } == [1, 4])
    #expect(loads.allSatisfy { ($0["answered"]?.int ?? 0) >= 10 && $0["errors"]?.int == 0 })
    let (requests, rows) = (loads[1]["throughput"]?.double ?? 0, loads[1]["rowsPerSecond"]?.double ?? 0)
    #expect(requests > 0 && abs(rows / requests - 4) < 1e-6)
    #expect(report["inputs"]?.array?.first?["shape"]?.array?.compactMap(\.int) == [-1, 4])
  }

  @Test func `reach a runner in process, through the host, and by TCP`() throws {
    // A run that takes its time: what the host adds shows beside it.
    try folder.addEcho("slow", "X:f32[-1,4]", options: ["sleep_ms": "3"])
    let words = ["--runner", "echo", "--concurrency", "2", "--ways", "all", "--report", "\(folder.path)/r.html"]
    let report = try json(try bench("slow", words + ["--json", "-"]))
    let ways = try #require(report["ways"]?.array)
    #expect(ways.map { $0["way"]?.string } == ["in-process", "host", "tcp", "tcp-json"])
    // Each holds the run itself, and the call holds hardly more.
    #expect(ways.allSatisfy { ($0["p50Ns"]?.double ?? 0) >= 3_000_000 }, "\(ways)")
    #expect(ways[0]["addedNs"] == .null && ways.dropFirst().allSatisfy { $0["addedNs"]?["estimate"]?.double != nil })
    let loads = try #require(report["runners"]?.array?.first?["loads"]?.array)
    #expect(loads.map { $0["connections"]?.int } == [1, 1, 2, 1, 1])
    #expect(loads.allSatisfy { ($0["answered"]?.int ?? 0) >= 10 && $0["errors"]?.int == 0 })
    #expect(try String(contentsOfFile: "\(folder.path)/r.html", encoding: .utf8).contains("What the host costs"))
  }

  @Test func `is told of a runner that fails in process`() throws {
    try folder.addEcho("bad", "X:f32[-1,4]", options: ["fail": "no luck"])
    let result = try bench("bad", ["--runner", "echo", "--ways", "in-process"])
    #expect(result.status == 1 && result.errors.contains("no luck"), "\(result.errors)")
  }

  @Test func `is told on a terminal, with the time that is left, in one line`() throws {
    let words = [
      "bench", "vector", "--models", "\(folder.path)/models", "--manifests", Setup.manifests, "--runner", "echo",
    ]
    let plan = ["--duration", "1", "--rounds", "10", "--warm-up", "0.1", "--starts", "1", "--concurrency", "1"]
    let terminal = try PseudoTerminal([Setup.stadion] + words + plan, width: 40)
    #expect(terminal.shows { $0.text.contains("\r\u{1B}[Kround ") && $0.text.contains("left)") }, "\(terminal.text)")
    #expect(terminal.end() == 0)
    let shown = terminal.text.components(separatedBy: "\r\u{1B}[K").dropFirst().map { $0.prefix { $0 != "\r\n" } }
    #expect(shown.dropLast().allSatisfy { $0.count < 40 }, "\(shown)")
  }

  @Test func `can be JSON, for servers that know no other`() throws {
    let server = try Command(["python3", Setup.fixture("oip_server.py")])
    #expect(holds { server.output.hasSuffix("\n") }, "\(server.errors)")
    let url = "http://127.0.0.1:\(server.output.dropLast())"
    let words = [Setup.stadion, "bench", "plus", "--url", url] + quick
    let report = try json(try Command.run(words + ["--encoding", "json", "--json", "-"]))
    let loads = try #require(report["runners"]?.array?.first?["loads"]?.array)
    #expect(loads.count == 2 && loads.allSatisfy { ($0["answered"]?.int ?? 0) >= 10 })
    #expect(loads.allSatisfy { $0["errors"]?.int == 0 && $0["changed"]?.int == 0 && $0["hostCostNs"] == .null })
    let refused = try Command.run(words)
    #expect(refused.status == 1 && refused.errors.contains("no binary data"), "\(refused.errors)")
  }

  @Test(arguments: [
    (["--inputs", "/nowhere"], 1, "can't read /nowhere"), (["--batch", "0"], 2, "--batch wants a number from 1"),
    (["--batch", "2,2"], 2, "twice"), (["--ways", "by foot"], 2, "--ways wants all, or some of in-process"),
    (["--input", "[1]", "--inputs", "x"], 2, "exclude each other"), (["--encoding", "xml"], 2, "binary or json"),
    (["--picture", "size=3"], 2, "no \"size\""), (["--picture", "mean=a"], 2, "wants a number"),
    (["--ways", "tcp", "--direct"], 2, "--ways needs hosts of its own"),
  ])
  func `says in one line what to do about`(words: [String], status: Int, text: String) throws {
    let isDirect = words.contains("--direct")
    let result =
      isDirect
      ? try Command.run([Setup.stadion, "bench", "vector"] + words) : try bench("vector", ["--runner", "echo"] + words)
    #expect(result.status == Int32(status), "\(result.errors)")
    #expect(result.errors.contains(text) && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
  }

  @Test func `refuses batches where a model has none`() throws {
    try folder.addEcho("fixed", "X:f32[1,4]")
    let result = try bench("fixed", ["--runner", "echo", "--batch", "1,2"])
    #expect(result.status == 1)
    #expect(result.errors.contains("input X of echo has shape [1, 4], whose first dimension is no open batch"))
  }
}
