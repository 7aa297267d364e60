import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// What `stadion bench` measures beside the closed loop on runners of one format, from end to end.
@Suite(.blocking) struct `Ways to benchmark` {
  private let folder = TemporaryFolder()
  private let quick = ["--warm-up", "0.1", "--concurrency", "1"]

  private func bench(
    _ model: String, _ words: [String], seconds: String = "0.3", rounds: String = "10"
  ) throws -> Command.Result {
    try Command.run(
      [Setup.stadion, "bench", model, "--duration", seconds, "--rounds", rounds] + quick + words,
      environment: ["TMPDIR": folder.path], limit: .seconds(120))
  }

  private func runners(_ result: Command.Result) throws -> [JSONValue] {
    #expect(result.status == 0, "\(result.errors)")
    return try #require(try JSONValue(parsing: result.output)["runners"]?.array)
  }

  private var own: [String] { ["--models", "\(folder.path)/models", "--manifests", Setup.manifests] }

  private static let hasBoth = Setup.hasOnnxRuntime && Setup.hasLiteRT

  @Test(.enabled(if: hasBoth, "requires: onnxruntime, litert (make engines and make test-setup)"))
  func `compares one model in two formats`() throws {
    try folder.copy(Setup.basicPitch, to: "models/pitch/1/model.onnx")
    try folder.copy(Setup.root + "/.stadion/test-models/basic_pitch/static.tflite", to: "models/pitch/1/model.tflite")
    let words = ["--runner", "onnxruntime", "--runner", "litert", "--starts", "1", "--json", "-"]
    let runners = try runners(try bench("pitch", own + words))
    #expect(runners.map { $0["name"]?.string } == ["onnxruntime onnx", "litert tflite"])
    // The formats name their outputs differently; the values agree.
    #expect(runners[1]["passes"]?.bool == true && runners[1]["parity"]?.array?.count == 3)
    #expect(runners.allSatisfy { ($0["loads"]?.array?.first?["answered"]?.int ?? 0) >= 10 })
  }

  @Test func `fails where a runner became slower than an earlier report says`() throws {
    try folder.addEcho("vector", "X:f32[-1,16]")
    let report = "\(folder.path)/base.json"
    let words = own + ["--runner", "echo", "--starts", "1"]
    // Of ten rounds, each of one run or two, a busy machine can disturb so many that no interval is small.
    func bench(_ words: [String]) throws -> Command.Result {
      try self.bench("vector", words, seconds: "1", rounds: "30")
    }
    let base = try bench(words + ["--json", report])
    #expect(base.status == 0, "\(base.errors)")
    try folder.addEcho("vector", "X:f32[-1,16]", options: ["sleep_ms": "50"])
    let slower = try bench(words + ["--compare", report])
    #expect(slower.status == 1 && slower.errors.contains("slower than before: echo became "), "\(slower.errors)")
    #expect(slower.output.contains(" × slower (median, 1 connection)"), "\(slower.output)")
    // What is as it was, or faster, is no failure.
    let slow = try bench(words + ["--json", report])
    #expect(slow.status == 0, "\(slow.errors)")
    try folder.addEcho("vector", "X:f32[-1,16]")
    let faster = try bench(words + ["--compare", report])
    #expect(
      faster.status == 0 && faster.output.contains(" × faster (median, 1 connection)"),
      "\(faster.output)\(faster.errors)")
  }

  @Test func `searches a rate, and keeps to one that is given`() throws {
    try folder.addEcho("vector", "X:f32[-1,16]")
    let words = ["--rate", "200", "--arrivals", "constant", "--find-rate", "p50=200ms", "--json", "-"]
    let runner = try #require(try runners(try bench("vector", own + words)).first)
    let open = try #require(runner["loads"]?.array?.last)
    #expect(open["requestsPerSecond"]?.double == 200 && (open["answered"]?.int ?? 0) >= 50)
    #expect((open["throughput"]?.double ?? 0) > 50 && (open["throughput"]?.double ?? 0) < 300)
    let found = runner["search"]?["requestsPerSecond"]?.double ?? 0
    let steps = runner["search"]?["steps"]?.array ?? []
    #expect(found > 0 && steps.contains { $0["isKept"]?.bool == true && $0["requestsPerSecond"]?.double == found })
  }

  @Test func `sweeps an option of a runner`() throws {
    try folder.addEcho("vector", "X:f32[-1,16]")
    let words = ["--runner", "echo", "--sweep", "delay_ns=0,50000000", "--starts", "1", "--json", "-"]
    let runners = try runners(try bench("vector", own + words))
    #expect(runners.map { $0["name"]?.string } == ["echo,delay_ns=0", "echo,delay_ns=50000000"])
    #expect((runners[1]["loads"]?.array?.first?["latencyNs"]?["p50"]?.double ?? 0) > 49_000_000)
  }

  @Test func `measures a host over TCP`() throws {
    let host = try Host(["--listen", "127.0.0.1:0", "--anonymous"]) { try $0.addEcho("vector", "X:f32[-1,16]") }
    let addresses = try host.log("listening").compactMap { $0["address"]?.string }
    let address = try #require(addresses.first { $0.hasPrefix("127.0.0.1:") }, "listens on \(addresses)")
    let runners = try runners(try bench("vector", ["--direct", "--url", "http://\(address)", "--json", "-"]))
    #expect(runners.map { $0["name"]?.string } == ["http://\(address)"])
    let load = try #require(runners[0]["loads"]?.array?.first)
    #expect((load["answered"]?.int ?? 0) >= 10 && load["errors"]?.int == 0)
  }

  @Test func `reports in one file of HTML that needs nothing else`() throws {
    try folder.addEcho("vector", "X:f32[-1,16]")
    let report = "\(folder.path)/r.html"
    let result = try bench("vector", own + ["--runner", "echo", "--runner", "echo", "--report", report])
    #expect(result.status == 0, "\(result.errors)")
    let html = try String(contentsOfFile: report, encoding: .utf8)
    for word in ["http:", "https:", "//", "url(", "<script", "<link", "@import", "src=", "href="] {
      #expect(!html.contains(word), "\(word)")
    }
    #expect(html.contains("prefers-color-scheme:dark") && html.contains("HOST COST"))
    // Every chart alone is well-formed XML.
    let charts = html.components(separatedBy: "<svg").dropFirst().compactMap { rest in
      rest.range(of: "</svg>").map { "<svg" + rest[..<$0.upperBound] }
    }
    #expect(charts.count >= 4)
    for chart in charts {
      let parsed = try Command.run(
        ["python3", "-c", "import sys,xml.dom.minidom as m; m.parse(sys.stdin)"], input: Array(chart.utf8))
      #expect(parsed.status == 0, "\(parsed.errors)\n\(chart)")
    }
  }
}
