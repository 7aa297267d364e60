import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// `stadion bench` with hosts of its own, as people start it.
@Suite(.blocking) struct `Comparing runners` {
  private let folder = TemporaryFolder()
  private let quick = ["--duration", "0.3", "--rounds", "10", "--warm-up", "0.1", "--concurrency", "1,2"]

  init() throws { try folder.addEcho("vector", "X:f32[-1,16]") }

  private var own: [String] { ["--models", "\(folder.path)/models", "--manifests", Setup.manifests] }

  @Test func `finds a runner slower that is, and writes every report`() throws {
    let result = try Command.run(
      [Setup.stadion, "bench", "vector", "--runner", "echo", "--runner", "echo,delay_ns=2000000"] + own + quick
        + ["--json", "\(folder.path)/r.json", "--report", "\(folder.path)/r.html"],
      environment: ["TMPDIR": folder.path], limit: .seconds(60))
    #expect(result.status == 0, "\(result.errors)")
    #expect(
      result.output.contains("echo,delay_ns=2000000 is ") && result.output.contains(" × slower than echo"),
      "\(result.output)")
    let json = try JSONValue(parsing: String(contentsOfFile: "\(folder.path)/r.json", encoding: .utf8))
    let runners = try #require(json["runners"]?.array)
    #expect(runners.map { $0["name"]?.string } == ["echo", "echo,delay_ns=2000000"])
    for runner in runners {
      let loads = runner["loads"]?.array ?? []
      #expect(loads.map { $0["connections"]?.int } == [1, 2])
      #expect(loads.allSatisfy { ($0["answered"]?.int ?? 0) > 0 && $0["errors"]?.int == 0 })
      #expect((runner["peakBytes"]?.int ?? 0) > 1 << 20 && (runner["loadNs"]?.int ?? 0) > 0)
    }
    let slow = runners[1]["loads"]?.array?[0]["latencyNs"]?["p50"]?.double ?? 0
    #expect(slow > 2_000_000)
    let html = try String(contentsOfFile: "\(folder.path)/r.html", encoding: .utf8)
    #expect(html.contains("<svg") && html.contains("delay_ns"))
    // No host and no folder is left behind.
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.hasPrefix("stadion-bench") })
    let again = try Command.run(
      [Setup.stadion, "bench", "vector", "--runner", "echo,delay_ns=2000000", "--compare", "\(folder.path)/r.json"]
        + own + quick, environment: ["TMPDIR": folder.path], limit: .seconds(60))
    #expect(again.output.contains("echo,delay_ns=2000000"), "\(again.output)\(again.errors)")
  }

  @Test func `asks a running host for the model and its runners`() throws {
    let host = try Host { try $0.addEcho("vector", "X:f32[-1,16]") }
    let result = try host.stadion("bench", "vector", "--duration", "0.1", "--rounds", "5", "--warm-up", "0.1")
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("echo") && result.output.contains("4 connections"), "\(result.output)")
  }

  @Test func `measures a server as it is`() throws {
    let host = try Host { try $0.addEcho("vector", "X:f32[-1,16]") }
    let result = try host.stadion(
      "bench", "vector", "--direct", "--duration", "0.1", "--rounds", "5", "--warm-up", "0.1", "--rate", "500",
      "--json",
      "-")
    #expect(result.status == 0, "\(result.errors)")
    let loads = try JSONValue(parsing: result.output)["runners"]?.array?.first?["loads"]?.array ?? []
    #expect(loads.count == 3 && loads.last?["requestsPerSecond"]?.double == 500)
    // Where requests wait for each other, a latency isn't the host's doing.
    let costs = loads.map { $0["hostCostNs"]?.double }
    #expect(costs.map { $0 != nil } == [true, false, false], "\(result.output)")
    let longest = loads[0]["latencyNs"]?["max"]?.double ?? 0
    #expect((costs[0] ?? 0) > 1000 && (costs[0] ?? 0) < longest, "\(costs)")
  }

  @Test func `fails loudly where outputs differ`() throws {
    // Two servers whose outputs have each other's names.
    let inputs = "A:f32[8] B:f32[8]"
    let one = try Host { try $0.addEcho("m", inputs, options: ["outputs": "P:f32[8] Q:f32[8]"]) }
    let two = try Host { try $0.addEcho("m", inputs, options: ["outputs": "Q:f32[8] P:f32[8]"]) }
    let result = try Command.run(
      [Setup.stadion, "bench", "m", "--socket", one.socket, "--socket", two.socket] + quick, limit: .seconds(60))
    #expect(result.status == 1)
    #expect(result.output.hasPrefix("!! MISMATCH: \(two.socket), output P: 8 of 8 elements"), "\(result.output)")
    #expect(result.errors.contains("differ from those of \(one.socket)"), "\(result.errors)")
  }

  @Test(arguments: [
    (["--concurrency", "0"], 2), (["--rounds", "x"], 2), (["--find-rate", "99=5ms"], 2), (["--runner", "a,b"], 2),
    (["--sweep", "delay_ns=1,2"], 2), (["--runner", "echo,delay_ns=1", "--sweep", "delay_ns=1,2"], 2),
    (["--arrivals", "often"], 2), (["--runner", "eco"], 1), (["--shape", "X=1,15"], 1), (["--compare", "/none"], 1),
  ])
  func `says in one line what to do about`(words: [String], status: Int) throws {
    let result = try Command.run([Setup.stadion, "bench", "vector"] + own + words)
    #expect(result.status == Int32(status), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1 && result.errors.hasPrefix("stadion: "), "\(result.errors)")
  }

  @Test func `ends its hosts with itself`() throws {
    let command = try Command(
      [Setup.stadion, "bench", "vector", "--runner", "echo", "--duration", "60"] + own,
      environment: ["TMPDIR": folder.path])
    func socket() -> String? {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      return names.first { $0.hasPrefix("stadion-bench") }.map { "\(folder.path)/\($0)/0-0/s" }
    }
    #expect(holds { socket().map { FileManager.default.fileExists(atPath: $0) } == true })
    command.send(SIGTERM)
    #expect(try command.wait().status == 128 + SIGTERM)
    #expect(socket() == nil)
  }

  @Test func `leaves no host behind when it is killed`() throws {
    let command = try Command(
      [Setup.stadion, "bench", "vector", "--runner", "echo", "--duration", "60"] + own,
      environment: ["TMPDIR": folder.path])
    func client() -> StadionClient? {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      let work = names.first { $0.hasPrefix("stadion-bench") }
      return work.map { StadionClient(.unix(path: "\(folder.path)/\($0)/0-0/s"), timeout: .seconds(5)) }
    }
    #expect(holds { (try? client()?.isReady()) == true })
    command.send(SIGKILL)
    #expect(try command.wait().status == 128 + SIGKILL)
    #expect(holds { (try? client()?.isReady()) == nil })
  }
}
