import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Where runs happen: quick ones on the event loop, long ones beside it.
@Suite(.blocking) struct `Long runs` {
  private static let question = #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[7]}]}"#

  private func slowClients(_ host: Host, _ count: Int) throws -> [Command] {
    try (0..<count).map { _ in
      try Command([
        "curl", "-s", "--max-time", "20", "--unix-socket", host.socket, "-d", Self.question,
        "http://host/v2/models/slow/infer",
      ])
    }
  }

  @Test func `never hold up a health check`() throws {
    let host = try Host(["--loops", "2"]) { try $0.addEcho("slow", "X:f32[-1]", options: ["sleep_ms": "2000"]) }
    let clients = try slowClients(host, 6)
    #expect(try holds { try host.running("slow") == 6 }, "the slow runs didn't start")
    // New connections, so that each loop has its turn. All of them together take less than one run.
    let began = ContinuousClock.now
    for _ in 0..<8 {
      let client = StadionClient(.unix(path: host.socket))
      #expect(try client.connection.send("GET", "/v2/health/live").status == 200)
    }
    let took = ContinuousClock.now - began
    #expect(try host.running("slow") == 6, "a run ended before the checks did")
    #expect(took < .seconds(1), "8 checks took \(took)")
    for client in clients { #expect(try client.wait().output.contains(#""data":[7]"#)) }
  }

  @Test func `hold up the loop only where the operator allows it`() throws {
    // With a threshold of a second a model of 300 ms counts as quick once four runs were; one loop serves all.
    let host = try Host(["--loops", "1", "--inline-run-micros", "1000000"]) {
      try $0.addEcho("slow", "X:f32[-1]", options: ["sleep_ms": "300"])
    }
    for _ in 0..<4 { #expect(try host.send("POST", "/v2/models/slow/infer", Self.question).status == 200) }
    let clients = try slowClients(host, 4)
    for client in clients { #expect(try client.wait().output.contains(#""data":[7]"#)) }
    let stats = try host.json("GET", "/v2/models/slow/stats")["model_stats"]?.array?.first
    #expect(stats?["execution_count"] == 8)
    #expect(stats?["inference_stats"]?["compute_infer"]?["count"] == 8)
    let nanoseconds = stats?["inference_stats"]?["success"]?["ns"]?.int ?? 0
    #expect(nanoseconds >= 8 * 300_000_000)
  }

  @Test func `wait in line and are refused when the line is full`() throws {
    let host = try Host {
      try $0.addEcho(
        "slow", "X:f32[-1]", options: ["sleep_ms": "500"], more: #", "maxConcurrentRuns": 1, "queueLimit": 2"#)
    }
    let clients = try slowClients(host, 8)
    let answers = try clients.map { try $0.wait().output }
    let served = answers.count { $0.contains(#""data":[7]"#) }
    let refused = answers.count { $0.contains("try again later") }
    #expect(served + refused == 8, "\(answers)")
    #expect(served >= 3 && refused >= 1, "\(answers)")
  }
}
