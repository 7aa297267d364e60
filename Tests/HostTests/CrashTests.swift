import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// A runner's process that ends, seen by clients and operators.
@Suite(.blocking) struct `A runner that crashes` {
  /// Long enough that the runner is down until the test has looked.
  private static let staysDown = ["--restart-after-ms", "600000", "--restart-at-most-ms", "600000"]
  private static let echo = #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#

  @Test(arguments: [
    ("segv", "ended by signal 11 (SIGSEGV)"), ("abort", "ended by signal 6 (SIGABRT)"),
    ("exit", "ended with exit code 3"),
  ])
  func `fails its own request, and others are served meanwhile`(fault: String, reason: String) throws {
    let host = try Host.withRunners(Self.staysDown) {
      try $0.addFaulty("org.a")
      try $0.addEchoRunner()
      try $0.addFaultyModel("bad", "fault=\(fault)")
      try $0.addFaultyModel("good")
      try $0.addEcho("other", "X:f32[-1]")
    }
    let others = SteadyClients(host, "other", body: Self.echo, count: 2)
    let lost = try host.ask("bad")
    #expect(lost.status == 502)
    #expect(lost.text.hasPrefix(#"{"error":"runner org.a: its process was \#(reason)","code":"runnerFailed","#))

    // Both models of the runner say where they are; the host and the other model serve.
    #expect(try holds { try host.runner()?["state"] == "restarting" }, "\(host.state)")
    for model in ["good", "bad"] {
      let words = "model '\(model)' is not served at the moment: runner org.a was \(reason); try again later"
      let isSaid = try holds {
        let refusal = try host.ask(model)
        #expect(refusal.status == 503 && refusal.header("retry-after") == "1")
        return refusal.text.hasPrefix("{\"error\":\"\(words)\",\"code\":\"overloaded\",")
      }
      #expect(isSaid, "\(try? host.ask(model).text)")
      #expect(try host.send("GET", "/v2/models/\(model)/ready").status == 503)
    }
    #expect(try host.send("GET", "/v2/health/ready").status == 200)
    #expect(try host.send("GET", "/v2/models/other/ready").status == 200)
    let list = try host.stadion("runner", "list").output
    #expect(list.contains("restarting") && list.contains("org.a: runner org.a was \(reason)"), "\(list)")
    let shown = try host.stadion("runner", "show", "org.a").output
    #expect(shown.contains("restarting") && shown.contains(reason), "\(shown)")
    #expect(try host.runner()?["crashes"] == 1 && host.process() == 0)

    #expect(try host.stadion("runner", "restart", "org.a").status == 0)
    #expect(try host.ask("good").text.contains(#""data":[2]"#))
    #expect(others.answersMore())
    #expect(others.stop() == [:])
  }

  @Test func `serves again by itself`() throws {
    let host = try Host.withRunners(["--restart-after-ms", "1"]) {
      try $0.addFaulty("org.a")
      try $0.addFaultyModel("m")
    }
    let first = try host.process()
    #expect(kill(first, SIGSEGV) == 0)
    #expect(try holds { try host.process() != first && host.ask("m").status == 200 }, "\(host.state)")
    #expect(try host.send("GET", "/v2/models/m/ready").status == 200)
    #expect(try host.runner()?["state"] == "ready" && host.runner()?["crashes"] == 1)
    #expect(try host.stadion("runner", "show", "org.a").output.contains("crashes"))
    #expect(!Processes.runs(first))
  }

  /// SIGKILL is what the kernel sends where memory has run out.
  @Test(arguments: [
    (SIGSEGV, "11 (SIGSEGV)"), (SIGABRT, "6 (SIGABRT)"), (SIGKILL, "9 (SIGKILL: out of memory, or somebody ended it)"),
  ])
  func `takes the requests under way with it, which are told the signal`(signal: Int32, name: String) throws {
    let host = try Host.withRunners {
      try $0.addFaulty("org.a")
      try $0.addFaultyModel("slow", "ms=20000")
    }
    let clients = try (0..<3).map { _ in
      try Command([
        "curl", "-s", "-w", " %{http_code}", "--max-time", "20", "--unix-socket", host.socket, "-d", Host.question(),
        "http://host/v2/models/slow/infer",
      ])
    }
    try #require(holds { try host.running("slow") == 3 }, "the slow requests didn't start")
    let process = try host.process()
    #expect(kill(process, signal) == 0)
    for client in clients {
      let answer = try client.wait().output
      let text = #"{"error":"runner org.a: its process was ended by signal \#(name)","code":"runnerFailed","#
      #expect(answer.hasPrefix(text) && answer.hasSuffix("} 502"), "\(answer)")
    }
  }

  @Test func `hands its models to another runner, and has them back later`() throws {
    let host = try Host.withRunners(Self.staysDown) {
      try $0.addFaulty("org.a", #""priority": 2"#)
      try $0.addFaulty("org.b")
      try $0.addFaultyModel("m")
    }
    #expect(try host.server(of: "m") == "org.a")
    let clients = SteadyClients(host, "m")
    #expect(clients.answersMore())
    #expect(kill(try host.process(), SIGKILL) == 0)
    #expect(try holds { try host.server(of: "m") == "org.b" }, "\(host.state)")
    #expect(try host.send("GET", "/v2/models/m/ready").status == 200)
    #expect(clients.answersMore())
    // By now the first one has nobody's requests, so none may fail from here on.
    let failures = clients.stop()
    #expect(failures.keys.allSatisfy { $0.hasPrefix("502 ") || $0.hasPrefix("503 ") }, "\(failures)")
    let later = SteadyClients(host, "m")
    #expect(try host.stadion("runner", "restart", "org.a").status == 0)
    #expect(try holds { try host.server(of: "m") == "org.a" }, "\(host.state)")
    #expect(later.answersMore())
    #expect(later.stop() == [:])
  }

  @Test func `goes back to its runner by itself after a short pause`() throws {
    let host = try Host.withRunners(["--restart-after-ms", "20"]) {
      try $0.addFaulty("org.a", #""priority": 2"#)
      try $0.addFaulty("org.b")
      try $0.addFaultyModel("m")
    }
    let first = try host.process()
    #expect(kill(first, SIGKILL) == 0)
    #expect(
      try holds { try host.process() != first && host.server(of: "m") == "org.a" && host.ask("m").status == 200 },
      "\(host.state)")
    #expect(try host.runner()?["models"] == ["m:1"] && host.runner("org.b")?["models"] == [])
  }

  @Test func `is quarantined after five times, until it is restarted`() throws {
    let host = try Host.withRunners(["--restart-after-ms", "1"]) {
      try $0.addFaulty("org.a")
      try $0.addFaultyModel("bad", "fault=segv")
      try $0.addFaultyModel("good")
    }
    for count in 1...5 {
      #expect(try holds { try host.send("GET", "/v2/models/bad/ready").status == 200 }, "\(count): \(host.state)")
      #expect(try host.ask("bad").status == 502)
      #expect(try holds { try host.runner()?["crashes"]?.int == count })
    }
    #expect(try host.runner()?["state"] == "quarantined")
    let list = try host.stadion("runner", "list").output
    #expect(list.contains("quarantined") && list.contains("`stadion runner restart org.a` tries again"), "\(list)")
    #expect(try host.ask("good").status == 503)
    // Nobody but an operator changes that.
    try host.folder.addFaultyModel("later")
    #expect(try holds { try host.index().contains { $0.hasPrefix("later:1 UNAVAILABLE") } }, "\(host.state)")
    #expect(try host.runner()?["state"] == "quarantined")
    #expect(try host.stadion("runner", "restart", "org.a").status == 0)
    for model in ["good", "later"] { #expect(try holds { try host.ask(model).status == 200 }, "\(host.state)") }
    #expect(try host.runner()?["state"] == "ready")
  }

  // MARK: Loads and runs without an end

  @Test func `is given the load that ended it last and alone, once, while the others serve`() throws {
    let host = try Host.withRunners(["--restart-after-ms", "1"]) {
      try $0.addFaulty("org.a", #""limits": {"loadTimeoutMs": 4000, "killAfterMs": 1000}"#)
      for name in ["b", "c"] { try $0.addFaultyModel(name) }
    }
    // In one step: an empty file would be a model that can be loaded.
    try host.folder.addFaultyModel(".a", "fault=load_hangs")
    try host.folder.move("models/.a", to: "models/a")
    // The second try takes five seconds, in which the others are there, though later by name.
    var seen: Set<String> = []
    #expect(
      try holds {
        let answers = [try host.ask("b").status, try host.ask("c").status]
        let crashes = try host.runner()?["crashes"]?.int ?? -1
        let state = try host.index().first ?? ""
        seen.insert("\(answers), \(crashes) crashes, \(state)")
        return answers == [200, 200] && crashes == 1 && state == "a:1 LOADING"
      }, "\(seen.sorted())")
    #expect(try holds { try host.runner()?["crashes"] == 2 && host.ask("c").status == 200 }, "\(host.state)")
    let reason = try #require(try host.index().first)
    #expect(reason.hasPrefix("a:1 UNAVAILABLE: runner org.a") && reason.contains("load"), "\(reason)")
    // Nobody tries again, though the folder changes.
    try host.folder.addFaultyModel("d")
    #expect(try holds { try host.ask("d").status == 200 }, "\(host.state)")
    #expect(try host.runner()?["crashes"] == 2)
  }

  @Test(arguments: ["ignores_cancel", "stop"])
  func `a run that hangs past its deadline is ended soon after`(fault: String) throws {
    let host = try Host.withRunners(["--restart-after-ms", "1"]) {
      try $0.addFaulty("org.a", #""limits": {"killAfterMs": 300}"#)
      try $0.addFaultyModel("hangs", "fault=\(fault)")
      try $0.addFaultyModel("good")
    }
    let began = ContinuousClock.now
    let answer = try host.ask("hangs", timeoutMicros: 200_000)
    let took = ContinuousClock.now - began
    #expect([502, 504].contains(answer.status), "\(answer.status) \(answer.text)")
    #expect(answer.text.contains("org.a"), "\(answer.text)")
    // 500 ms and what a busy machine adds; without an end it were a minute.
    #expect(took >= .milliseconds(200) && took < .seconds(5), "\(took)")
    #expect(try holds { try host.ask("good").status == 200 }, "\(host.state)")
  }

  @Test func `a client that leaves an endless run ends it`() throws {
    let host = try Host.withRunners(["--restart-after-ms", "1", "--kill-after-ms", "200"]) {
      try $0.addFaulty("org.a")
      try $0.addFaultyModel("deaf", "fault=ignores_cancel")
      try $0.addFaultyModel("polls", "fault=polls_cancel")
    }
    let first = try host.process()
    for (model, ends) in [("polls", false), ("deaf", true)] {
      let body = Host.question()
      do {
        let client = try RawConnection(host.socket)
        client.send(
          Array(
            "POST /v2/models/\(model)/infer HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
              .utf8))
        try #require(holds { try host.running(model) == 1 }, "the run of \(model) didn't start")
      }
      #expect(try holds { try host.running(model) != 1 }, "\(model) still runs")
      #expect(try holds { try (host.runner()?["crashes"]?.int ?? 0) == (ends ? 1 : 0) }, "\(host.state)")
      if !ends { #expect(try host.process() == first) }
    }
    #expect(try holds { try host.process() > 0 && host.process() != first })
  }
}
