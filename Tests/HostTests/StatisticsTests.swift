import BlockingTests
import StadionClient
import Testing
import Wire

@Suite(.blocking) struct `The statistics extension` {
  private func counts(_ host: Host, _ model: String) throws -> [String: Int] {
    let all = try #require(host.json("GET", "/v2/models/\(model)/stats")["model_stats"]?.array?.first)
    var counts: [String: Int] = [:]
    for member in all["inference_stats"]?.members ?? [] { counts[member.key] = member.value["count"]?.int }
    counts["inferences"] = all["inference_count"]?.int
    counts["executions"] = all["execution_count"]?.int
    counts["batches"] = all["batch_stats"]?.array?.count
    return counts
  }

  @Test func `counts runs whose answer can't be written as failures`() throws {
    let host = try Host([], manifests: "\(Setup.manifests)/echo.runner.json") {
      try $0.addEcho("half", "x:f16[1]", options: ["outputs": "y:f16[1]"])
    }
    #expect(try counts(host, "half")["batches"] == 0)
    let head = #"{"inputs":[{"name":"x","shape":[1],"datatype":"FP16","parameters":{"binary_data_size":2}}]}"#
    let answer = try host.send(
      "POST", "/v2/models/half/infer", head + "ab",
      headers: [("Inference-Header-Content-Length", String(head.utf8.count))])
    #expect(answer.status == 400)
    let counts = try counts(host, "half")
    #expect(counts["fail"] == 1 && counts["success"] == 0 && counts["executions"] == 1 && counts["batches"] == 0)
  }

  @Test func `counts who found the queue full as a failure without a run`() throws {
    let host = try Host([], manifests: "\(Setup.manifests)/echo.runner.json") {
      try $0.addEcho(
        "slow", "x:f32[-1]", options: ["outputs": "y:f32[-1]", "sleep_ms": "3000"],
        more: #", "maxConcurrentRuns": 1, "queueLimit": 0"#)
    }
    let first = try Command(
      [
        "curl", "-s", "--max-time", "20", "--unix-socket", host.socket, "-d", Host.numbers,
        "http://host/v2/models/slow/infer",
      ])
    #expect(try holds { try host.running("slow") == 1 })
    #expect(try host.sendNumbers("slow").status == 503)
    var counts = try counts(host, "slow")
    #expect(counts["fail"] == 1 && counts["executions"] == 0)
    #expect(try first.wait().output.contains("outputs"))
    counts = try self.counts(host, "slow")
    #expect(counts["success"] == 1 && counts["fail"] == 1 && counts["executions"] == 1 && counts["batches"] == 1)
    #expect(counts["queue"] == 1 && counts["compute_infer"] == 1 && counts["inferences"] == 1)
  }
}
