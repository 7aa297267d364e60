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
    // One run of two rows.
    #expect(counts["queue"] == 1 && counts["compute_infer"] == 1 && counts["inferences"] == 2)
  }

  @Test func `counts runs by their rows, where a model leaves their number open`() throws {
    let host = try Host([], manifests: "\(Setup.manifests)/echo.runner.json") {
      try $0.addEcho("open", "x:f32[-1,2]", options: ["outputs": "y:f32[-1,2]"])
      try $0.addEcho("fixed", "x:f32[4,2]", options: ["outputs": "y:f32[4,2]"])
      // One input's first dimension is given, so the other's is no batch.
      try $0.addEcho("half", "a:f32[-1] b:f32[3]", options: ["outputs": "y:f32[-1] z:f32[3]"])
      try $0.addEcho("two", "a:f32[-1] b:f32[-1]", options: ["outputs": "y:f32[-1] z:f32[-1]"])
    }
    func tensor(_ name: String, _ shape: [Int64]) -> DenseTensor {
      floats(name, shape, [Float](repeating: 1, count: Int(shape.reduce(1, *))))
    }
    for rows: Int64 in [3, 1, 3, 64, 0, 3] { _ = try host.infer("open", tensor("x", [rows, 2])) }
    _ = try host.infer("fixed", tensor("x", [4, 2]))
    _ = try host.infer("half", tensor("a", [3]), tensor("b", [3]))
    for (a, b) in [(5, 5), (5, 2)] as [(Int64, Int64)] { _ = try host.infer("two", tensor("a", [a]), tensor("b", [b])) }

    let batches = [[0, 1], [1, 1], [3, 3], [64, 1]]
    #expect(try sizes(host, "open") == batches)
    #expect(try counts(host, "open")["inferences"] == 74)
    #expect(try counts(host, "open")["executions"] == 6)
    #expect(try sizes(host, "fixed") == [[1, 1]] && counts(host, "fixed")["inferences"] == 1)
    #expect(try sizes(host, "half") == [[1, 1]])
    #expect(try sizes(host, "two") == [[1, 1], [5, 1]])

    func labels(_ model: String) -> String { #"model="\#(model)",version="1",runner="org.stadion.echo",device="cpu""# }
    let bounds = ["1.0", "2.0", "4.0", "8.0", "16.0", "32.0", "64.0", "+Inf"]
    let shown = try bounds.map { try host.metric("stadion_batch_size_bucket{\(labels("open")),le=\"\($0)\"}") }
    #expect(shown == [2, 2, 5, 5, 5, 5, 6, 6])
    #expect(try host.metric("stadion_batch_size_sum{\(labels("open"))}") == 74)
    #expect(try host.metric("stadion_batch_size_count{\(labels("open"))}") == 6)
    #expect(try host.metric("stadion_batch_size_count{\(labels("fixed"))}") == nil)
    #expect(try host.metric("stadion_run_seconds_count{\(labels("fixed"))}") == 1)
  }

  /// Each batch's size, and how many runs had it; all stages count the same.
  private func sizes(_ host: Host, _ model: String) throws -> [[Int]] {
    let batches = try host.json("GET", "/v2/models/\(model)/stats")["model_stats"]?.array?.first?["batch_stats"]?.array
    return try (batches ?? []).map { batch in
      let counts = try ["compute_input", "compute_infer", "compute_output"].map { stage in
        #expect(batch[stage]?["ns"]?.int ?? 0 > 0)
        return try #require(batch[stage]?["count"]?.int)
      }
      #expect(Set(counts).count == 1)
      return [try #require(batch["batch_size"]?.int), counts[0]]
    }
  }
}
