import Testing
import Wire

@testable import Benchmarking

@Suite struct `The plan of a benchmark` {
  @Test func `puts each batch under every load, and asks for one connection where ways are compared`() {
    var plan = BenchmarkPlan()
    plan.concurrencies = [4]
    plan.rates = [50]
    #expect(plan.loads.map(\.label) == ["4 connections", "50.0 requests/s"])
    plan.batches = [1, 8]
    plan.ways = [.inProcess, .json]
    #expect(
      plan.loads.prefix(5).map(\.label) == [
        "in process, batch 1", "1 connection, batch 1", "4 connections, batch 1", "1 connection, TCP, JSON, batch 1",
        "50.0 requests/s, batch 1",
      ])
    #expect(plan.loads.count == 10 && plan.loads.allSatisfy { plan.batches.contains($0.batch) })
  }

  @Test func `a window survives the way from another process`() throws {
    var window = Window()
    for ns in [5, 5, 90_000, 1 << 41] as [UInt64] { window.latencies.add(ns) }
    (window.answered, window.errors, window.inTime) = (4, 1, 3)
    (window.beginNs, window.lastNs, window.exchanges, window.exchangesNs) = (1, 2_000_000_001, 5, 99)
    window.problem = "no luck"
    let copy = try #require(BareMessages.window(BareMessages.encode(window)))
    #expect(copy.latencies == window.latencies && copy.problem == "no luck")
    #expect(copy.requestsPerSecond == window.requestsPerSecond && copy.exchangesNs == 99 && copy.errors == 1)
    let broken: [(String, JSONValue)] = [
      ("latencies", [1]), ("latencies", [-1, 5]), ("latencies", [5, 0]), ("answered", -2),
    ]
    for (member, value) in broken {
      let members = (BareMessages.encode(window).members ?? []).filter { $0.key != member } + [.init(member, value)]
      #expect(BareMessages.window(.object(members)) == nil, "\(member) \(value.text)")
    }
  }
}
