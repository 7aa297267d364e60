import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

@Suite(.blocking) struct `Metrics` {
  static let echo = #"model="echo",version="1",runner="org.stadion.echo",device="cpu""#

  @Test(.enabled(if: Setup.hasPromtool, Comment(rawValue: Setup.needsPromtool)))
  func `are what promtool accepts`() throws {
    let host = try hostWithEcho()
    try host.sendNumbers()
    try host.sendNumbers("bad")
    let text = try host.send("GET", "/metrics").body
    let judged = try Command.run([Setup.promtool, "check", "metrics"], input: text)
    #expect(judged.status == 0 && judged.output == "" && judged.errors == "", "\(judged)")
  }

  @Test func `count each request in every stage`() throws {
    let host = try hostWithEcho()
    for _ in 0..<3 { try host.sendNumbers() }
    try host.sendNumbers("bad")
    for stage in ["request", "queue", "compute_input", "run", "compute_output"] {
      let name = "stadion_\(stage)_seconds"
      #expect(try host.metric("\(name)_count{\(Self.echo)}") == 3)
      #expect(try host.metric("\(name)_bucket{\(Self.echo),le=\"+Inf\"}") == 3)
      let sum = try host.metric("\(name)_sum{\(Self.echo)}") ?? -1
      // Queueing may take nothing; three answers take less than the test's patience.
      #expect(sum >= 0 && sum < 20)
    }
    let whole = try host.metric("stadion_request_seconds_sum{\(Self.echo)}") ?? 0
    let run = try host.metric("stadion_run_seconds_sum{\(Self.echo)}") ?? 0
    #expect(whole > run && run > 0)
    #expect(try host.metric(#"stadion_request_failures_total{model="bad",version="1"}"#) == 1)
    #expect(try host.metric(#"stadion_request_failures_total{model="echo",version="1"}"#) == 0)
  }

  @Test func `tell of the process, its loops and connections`() throws {
    let host = try hostWithEcho()
    #expect(try host.metric("stadion_connections") == 1)
    #expect(try host.metric("process_resident_memory_bytes") ?? 0 > 1e6)
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(host.command.pid)/fd").count
    #expect(try abs((host.metric("process_open_fds") ?? 0) - Double(descriptors)) <= 2)
    let start = try host.metric("process_start_time_seconds") ?? 0
    #expect(abs(start - Date().timeIntervalSince1970) < 60)
    #expect(try host.metric("process_cpu_seconds_total") ?? 0 > 0)
    let turns = #"stadion_event_loop_lag_seconds_count{loop="0"}"#
    let before = try host.metric(turns) ?? 0
    // Connections take turns on the loops.
    for _ in 0..<Int(linuxCores()) { _ = try host.curl("/v2/health/live") }
    #expect(try host.metric(turns) ?? 0 > before)
  }

  private func linuxCores() -> Int { ProcessInfo.processInfo.activeProcessorCount + 1 }

  @Test func `name the signal that ended a runner, and its restart`() throws {
    let host = try hostWithEcho("--restart-after-ms", "1")
    let runner = #"runner="org.stadion.echo""#
    #expect(try host.metric("stadion_runner_state{\(runner),state=\"ready\"}") == 1)
    #expect(try host.metric("stadion_runner_models{\(runner)}") == 2)
    #expect(try host.metric("stadion_runner_restarts_total{\(runner)}") == 0)
    #expect(try host.metric("stadion_runner_resident_memory_bytes{\(runner)}") ?? 0 > 1e6)
    try host.sendNumbers()
    let process = try #require(host.json("GET", "/v1/runners")["runners"]?.array?.first?["processID"]?.int)
    kill(pid_t(process), SIGSEGV)
    #expect(try holds { try host.metric("stadion_runner_restarts_total{\(runner)}") == 1 }, "\(host.state)")
    #expect(try host.metric("stadion_runner_crashes_total{\(runner),signal=\"SIGSEGV\"}") == 1)
    #expect(try holds { try host.sendNumbers().status == 200 })
    // Counts go on where they were.
    #expect(try host.metric("stadion_request_seconds_count{\(Self.echo)}") == 2)
  }

  @Test func `sum what exceeds the limit`() throws {
    let host = try hostWithEcho("--metrics-series-limit", "0")
    for _ in 0..<2 { try host.sendNumbers() }
    let others = #"model="_others",version="_others",runner="_others",device="_others""#
    #expect(try host.metric("stadion_request_seconds_count{\(others)}") == 2)
    #expect(try host.metric("stadion_request_seconds_count{\(Self.echo)}") == nil)
    #expect(try host.metric("stadion_metrics_series_refused_total") == 1)
    #expect(try host.metric("stadion_metrics_series") == 0)
  }

  @Test func `come as OpenMetrics to who asks for it`() throws {
    let host = try hostWithEcho()
    try host.sendNumbers()
    func ask(_ accept: String) throws -> (type: String?, text: String) {
      let answer = try host.send("GET", "/metrics", headers: [("Accept", accept)])
      return (answer.header("content-type"), String(decoding: answer.body, as: UTF8.self))
    }
    let open = try ask("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
    #expect(open.type == "application/openmetrics-text; version=1.0.0; charset=utf-8")
    #expect(open.text.hasSuffix("\n# EOF\n"))
    #expect(open.text.contains("# TYPE stadion_request_failures counter\n"))
    #expect(open.text.contains("\nstadion_request_failures_total{"))
    #expect(open.text.contains("# UNIT stadion_request_seconds seconds\n"))
    let plain = try ask("application/openmetrics-text;q=0.4,text/plain;q=0.5")
    #expect(plain.type == "text/plain; version=0.0.4; charset=utf-8")
    #expect(plain.text.contains("# TYPE stadion_request_failures_total counter\n") && !plain.text.contains("# EOF"))
  }

  @Test func `end with the connection for HTTP/1.0, and have no body for HEAD`() throws {
    let host = try hostWithEcho()
    let old = try host.curl("/metrics", "--http1.0", "--include")
    #expect(old.status == 0 && old.output.contains("process_open_fds ") && !old.output.contains("chunked"))
    let head = try host.curl("/metrics", "--head")
    #expect(head.status == 0 && head.output.lowercased().contains("transfer-encoding: chunked"))
    #expect(try host.send("POST", "/metrics").status == 405)
  }

  @Test func `can be off`() throws {
    let host = try hostWithEcho("--no-metrics")
    #expect(try host.sendNumbers().status == 200)
    let answer = try host.send("GET", "/metrics")
    #expect(answer.status == 404 && String(decoding: answer.body, as: UTF8.self).contains("--no-metrics"))
    #expect(try host.json("GET", "/v2/models/echo/stats").text.contains(#""success":{"count":1,"#))
  }
}
