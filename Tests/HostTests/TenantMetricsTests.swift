import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// What is told of tenants, and to whom.
@Suite(.blocking) struct `What is observed of tenants` {
  private let folder = TemporaryFolder()
  private static let own = #"model="own",version="1",tenant="acme",runner="org.stadion.echo",device="cpu""#

  private func host(_ arguments: String...) throws -> Host {
    try Host(["--data", "\(folder.path)/data"] + arguments, manifests: "\(Setup.manifests)/echo.runner.json") {
      try $0.addEcho("echo", "x:f32[-1]", options: ["outputs": "y:f32[-1]"])
    }
  }

  /// A second tenant with one model, whose key may run it.
  private func acme(_ host: Host) throws -> String {
    #expect(try host.json("POST", "/v1/tenants", #"{"id": "acme"}"#)["id"] == "acme")
    let made = try host.json("POST", "/v1/keys", #"{"tenant": "acme", "role": "infer"}"#)
    let key = try #require(made["key"]?.string)
    let model = "\(folder.path)/data/tenants/acme/models/own"
    try FileManager.default.createDirectory(atPath: "\(model)/1", withIntermediateDirectories: true)
    try Data(#"{"format": "echo", "options": {"inputs": "x:f32[-1]", "outputs": "y:f32[-1]"}}"#.utf8).write(
      to: URL(fileURLWithPath: "\(model)/model.json"))
    #expect(try holds { try ask(host, key, "/v2/models/own/ready").status == 200 }, "\(host.state)")
    return key
  }

  private func ask(_ host: Host, _ key: String, _ path: String) throws -> HTTPResponse {
    try host.send("GET", path, headers: [("X-API-Key", key)])
  }

  private func sendOwn(_ host: Host, _ key: String) throws {
    #expect(try host.sendNumbers("own", headers: [("X-API-Key", key)]).status == 200)
  }

  @Test func `all to who runs the host, and to a tenant its own`() throws {
    let host = try host()
    let key = try acme(host)
    try host.sendNumbers()
    for _ in 0..<2 { try sendOwn(host, key) }
    #expect(try host.metric("stadion_request_seconds_count{\(Self.own)}") == 2)
    #expect(try host.metric("stadion_request_seconds_count{\(`Metrics`.echo)}") == 1)
    #expect(try host.metric(#"stadion_quota_day_requests{tenant="acme"}"#) == 2)
    #expect(try host.metric(#"stadion_quota_day_requests{tenant="default"}"#) == 1)

    let answer = try ask(host, key, "/metrics")
    let lines = String(decoding: answer.body, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(answer.status == 200 && lines.contains("stadion_request_seconds_count{\(Self.own)} 2"))
    #expect(lines.allSatisfy { $0.contains(#"tenant="acme""#) }, "\(lines)")

    let facts = try JSONValue(parsing: ask(host, key, "/v1/statistics").body)
    #expect(facts["models"]?.array?.map { $0["model"] } == ["own"] && facts["runners"] == [])
    #expect(facts["tenants"]?.array?.map { $0["id"] } == ["acme"] && facts["cpuNs"] == nil)
    let all = try host.json("GET", "/v1/statistics")
    #expect(all["tenants"]?.array?.map { $0["id"] } == ["acme", "default"] && all["models"]?.array?.count == 2)
  }

  @Test(.enabled(if: Setup.hasPromtool, Comment(rawValue: Setup.needsPromtool)))
  func `in words that promtool accepts`() throws {
    let host = try host("--quota-requests-per-second", "1000")
    let key = try acme(host)
    try sendOwn(host, key)
    for text in [try host.send("GET", "/metrics").body, try ask(host, key, "/metrics").body] {
      let judged = try Command.run([Setup.promtool, "check", "metrics"], input: text)
      #expect(judged.status == 0 && judged.output == "" && judged.errors == "", "\(judged)")
    }
  }

  @Test func `their limits, what these refused, and uploads`() throws {
    let host = try host("--quota-requests-per-second", "1", "--quota-burst", "1")
    #expect(try holds { try host.sendNumbers().status == 429 })
    #expect(try host.metric(#"stadion_quota_limit{tenant="default",limit="requestsPerSecond"}"#) == 1)
    #expect(try host.metric(#"stadion_quota_limit{tenant="default",limit="concurrentRequests"}"#) == nil)
    #expect(try host.metric(#"stadion_quota_refusals_total{tenant="default",limit="requestsPerSecond"}"#) ?? 0 >= 1)
    #expect(try host.metric(#"stadion_quota_refusals_total{tenant="default",limit="concurrentRequests"}"#) == 0)
    #expect(try host.metric(#"stadion_tenant_requests_active{tenant="default"}"#) == 0)
    #expect(try host.metric(#"stadion_uploads_active{tenant="default"}"#) == nil)
    #expect(try host.json("POST", "/v1/uploads", "{}")["id"]?.string != nil)
    #expect(try host.metric(#"stadion_uploads_active{tenant="default"}"#) == 1)
  }

  @Test func `summed beyond a limit`() throws {
    let host = try host("--metrics-tenant-limit", "0")
    let key = try acme(host)
    try host.sendNumbers()
    try sendOwn(host, key)
    let others = #"model="_others",version="_others",runner="_others",device="_others""#
    #expect(try host.metric("stadion_request_seconds_count{\(others)}") == 1)
    #expect(try host.metric("stadion_request_seconds_count{\(Self.own)}") == nil)
    #expect(try host.metric(#"stadion_quota_day_requests{tenant="_others"}"#) == 2)
    #expect(try host.metric(#"stadion_quota_day_requests{tenant="acme"}"#) == nil)
  }

  @Test func `side by side in the live view and in a pipe`() throws {
    let host = try host()
    let key = try acme(host)
    let command = [Setup.stadion, "top", "--socket", host.socket, "--interval-ms", "50"]
    let terminal = try PseudoTerminal(command)
    let isThere = terminal.shows { terminal in
      try? sendOwn(host, key)
      _ = try? host.sendNumbers()
      let words = terminal.lines.first { $0.hasPrefix("acme ") }?.split(separator: " ") ?? []
      return words.count >= 5 && words[1] != "0"
        && terminal.lines.contains { $0.hasPrefix("acme/own:1") && $0.contains("s ") }
    }
    #expect(isThere, "\(terminal.lines)")
    #expect(terminal.lines.count <= 24 && terminal.lines.allSatisfy { $0.count <= 80 }, "\(terminal.lines)")
    #expect(terminal.lines.contains { $0.hasPrefix("TENANT ") && $0.hasSuffix(" RUN TIME") }, "\(terminal.lines)")
    terminal.type("q")
    #expect(terminal.end() == 0)

    let lines = try Command.run(command + ["--count", "1"]).output.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("model=own:1 tenant=acme runner=") }, "\(lines)")
    #expect(lines.contains { $0.hasPrefix("tenant=acme requests_per_s=") && $0.contains(" run_time=") }, "\(lines)")
    #expect(lines.contains { $0.hasPrefix("tenant=default requests_per_s=") }, "\(lines)")
  }

  @Test func `in spans`() throws {
    let collector = Collector()
    defer { collector.stop() }
    let host = try host("--trace-endpoint", collector.url, "--trace-sample", "1")
    let key = try acme(host)
    try sendOwn(host, key)
    #expect(try host.sendNumbers("none", headers: [("X-API-Key", key)]).status == 404)
    #expect(holds { collector.spans.count == 8 }, "\(collector.batches)")
    let roots = collector.spans.filter { $0["name"]?.string?.hasPrefix("infer ") == true }
    let tenants = roots.map { span in
      (span["attributes"]?.array ?? []).first { $0["key"] == "stadion.tenant" }?["value"]?["stringValue"]
    }
    #expect(tenants == ["acme", "acme"])
  }
}
