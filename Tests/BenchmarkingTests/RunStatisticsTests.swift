import Testing
import Wire

@testable import Benchmarking

@Suite struct `What a server says of its runs` {
  private func statistics(_ runs: (Int, Int)...) throws -> RunStatistics? {
    let models = runs.map { #"{"inference_stats": {"compute_infer": {"count": \#($0.0), "ns": \#($0.1)}}}"# }
    return RunStatistics(try JSONValue(parsing: #"{"model_stats": [\#(models.joined(separator: ","))]}"#))
  }

  @Test func `gives the cost of the host: the mean latency without the mean run`() throws {
    let before = try #require(try statistics((10, 1_000_000)))
    let after = try #require(try statistics((30, 1_400_000)))
    var load = LoadResult(load: .closed(1))
    #expect(load.hostCostNs == nil)
    load.runs.add(try #require(after.since(before)))
    (load.exchanges, load.exchangesNs) = (20, 900_000)
    #expect(load.hostCostNs == 25_000)
  }

  @Test func `is summed over versions`() throws {
    let sum = try #require(try statistics((10, 100), (5, 50)))
    #expect(sum.count == 15 && sum.ns == 150)
  }

  @Test func `says nothing after a restart, or without a run`() throws {
    let before = try #require(try statistics((10, 100)))
    for runs in [(10, 100), (3, 900), (11, 99)] { #expect(try #require(try statistics(runs)).since(before) == nil) }
  }

  @Test(arguments: [
    "{}", #"{"model_stats": []}"#, #"{"model_stats": [{"name": "m"}]}"#,
    #"{"model_stats": [{"inference_stats": {"compute_infer": {"count": -1, "ns": 5}}}]}"#,
  ])
  func `is absent when it is something else`(text: String) throws {
    #expect(RunStatistics(try JSONValue(parsing: text)) == nil)
  }
}
