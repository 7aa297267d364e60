import CLinux
import Foundation
import Inference
@testable import Manifests
import Running
import Testing

@testable import Routing

/// Models whose runner's process ends, or is replaced.
@Suite struct `Runners in processes` {
  private static func inProcess(_ manifest: inout RunnerManifest) { manifest.isolation = .process }

  private func crash(_ fixture: RouterFixture, _ runner: Int = 0) async throws {
    let process = try #require(await fixture.report(runner).processID)
    kill(process, SIGSEGV)
  }

  // MARK: Ends

  @Test func `a crash is told at once, and the model comes back with its counts`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)]) { $0.backOffMs = 60_000 }
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    #expect(try await fixture.answer("m") == 2)
    let statistics = try fixture.version("m").statistics
    try await crash(fixture)
    try await wait(for: "the end to be told") { fixture.served("m").isEmpty }
    let reason = "runner org.a was ended by signal 11 (SIGSEGV)"
    let refusal = await failure { _ = try fixture.version("m") }
    #expect(refusal?.code == .overloaded)
    #expect(refusal?.message == "model 'm' is not served at the moment: \(reason); try again later")
    #expect(await fixture.states("m") == ["1 UNAVAILABLE: \(reason)"])
    let report = await fixture.report()
    #expect(report.state == "restarting" && report.crashes == 1)
    #expect(report.reason == "\(reason); it is started again")
    #expect(report.processID == nil, "the number of a process that is gone")
    try await fixture.router.restartRunner("org.a")
    #expect(try await fixture.answer("m") == 2)
    #expect(try fixture.version("m").statistics === statistics)
    await fixture.router.stop()
  }

  @Test func `another runner takes over and gives back`() async throws {
    let fixture = try RouterFixture([
      .init(id: "org.a") {
        Self.inProcess(&$0)
        $0.priority = 9
      }, .init(id: "org.b", change: Self.inProcess),
    ]) { $0.backOffMs = 60_000 }
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    #expect(try fixture.version("m").instances[0].runnerID == "org.a")
    try await crash(fixture)
    try await wait(for: "the other one") { (try? fixture.version("m").instances[0].runnerID) == "org.b" }
    #expect(try await fixture.answer("m") == 2)
    let statistics = try fixture.version("m").statistics
    try await fixture.router.restartRunner("org.a")
    try await wait(for: "the first one") { (try? fixture.version("m").instances[0].runnerID) == "org.a" }
    #expect(try fixture.version("m").statistics === statistics)
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }

  @Test func `a model that can't go back to its runner isn't loaded again and again`() async throws {
    let fixture = try RouterFixture([
      .init(id: "org.a") {
        Self.inProcess(&$0)
        $0.priority = 9
      }, .init(id: "org.b"),
    ]) { $0.backOffMs = 60_000 }
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    try await crash(fixture)
    try await wait(for: "the other one") { (try? fixture.version("m").instances[0].runnerID) == "org.b" }
    var changed = fixture.router.manifests
    changed.manifests[0].options["refuse_load"] = "too old"
    await fixture.router.update(changed)
    #expect(await fixture.report().state == "ready")
    let loads = fixture.count(.loads, 1)
    for _ in 0..<3 { await fixture.router.rescan() }
    #expect(fixture.count(.loads, 1) == loads)
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }

  @Test func `a load that ends the process is tried twice, then the version says so`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)])
    try fixture.write("good", 1, "bias=1")
    try fixture.write("m", 1, "fault=load_segv")
    await fixture.router.start()
    let end = "runner org.a: its process was ended by signal 11 (SIGSEGV)"
    try await wait(for: "the last try") { await fixture.report().crashes == 2 }
    try await wait(for: "the healthy model") { fixture.served("good") == ["1"] }
    #expect(await fixture.states("m") == ["1 UNAVAILABLE: \(end)"])
    #expect(await fixture.report().crashes == 2)
    #expect(await failure { _ = try fixture.version("m") }?.code == .notFound)
    #expect(try await fixture.answer("good") == 2)
    for _ in 0..<3 { await fixture.router.rescan() }
    #expect(await fixture.report().crashes == 2)
    // Other bytes are another matter.
    try fixture.write("m", 1, "bias=5")
    await fixture.router.rescan()
    #expect(try await fixture.answer("m") == 6)
    await fixture.router.stop()
  }

  @Test func `what was loaded before a later load ended the process isn't served`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", devices: "cpu.gpu", change: Self.inProcess)])
    try fixture.write("m", 1, "fault=load_segv_gpu")
    try fixture.settings("m", #"{"devices": ["cpu", "gpu"]}"#)
    await fixture.router.start()
    try await wait(for: "the last try") { await fixture.report().crashes == 2 }
    try await wait(for: "a quiet runner") { await fixture.report().state == "ready" }
    await fixture.router.rescan()
    // Served by a process that is gone it would answer 503 for ever.
    #expect(fixture.served("m").isEmpty)
    #expect(await fixture.states("m").first?.contains("SIGSEGV") == true)
    await fixture.router.stop()
  }

  @Test func `so many crashes within a minute are quarantined, until somebody asks`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)]) { $0.quarantineCrashes = 3 }
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    for count in 1...3 {
      try await wait(for: "the model") { fixture.served("m") == ["1"] }
      try await crash(fixture)
      try await wait(for: "crash \(count)") { await fixture.report().crashes == count }
    }
    let report = await fixture.report()
    #expect(report.state == "quarantined")
    #expect(
      report.reason?.hasSuffix("3 times within a minute; `stadion runner restart org.a` tries again") == true)
    #expect(await failure { _ = try fixture.version("m") }?.code == .overloaded)
    await fixture.router.rescan()
    #expect(await fixture.report().state == "quarantined")
    try await fixture.router.restartRunner("org.a")
    #expect(try await fixture.answer("m") == 2)
    #expect(await fixture.report().state == "ready")
    await fixture.router.stop()
  }

  @Test(arguments: [
    ("open_fails", "the engine's licence has expired"), ("wrong_abi", "speaks ABI 0.7"),
    ("size_0", "its table has 0 bytes"),
  ])
  func `a library that can't be opened is refused with its reason`(fault: String, words: String) async throws {
    let fixture = try RouterFixture([.init(id: "org.a", fault: fault, change: Self.inProcess)]) {
      $0.backOffMs = 60_000
    }
    try fixture.write("m")
    await fixture.router.start()
    let report = await fixture.report()
    #expect(report.state == "refused")
    #expect(report.reason?.contains(words) == true, "\(report.reason ?? "")")
    #expect(report.crashes == 0)
  }

  @Test func `a library that ends its process does so once, however many models want it`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", fault: "open_segv", change: Self.inProcess)]) {
      $0.backOffMs = 60_000
    }
    for model in 0..<20 { try fixture.write("m\(model)") }
    await fixture.router.start()
    let report = await fixture.report()
    #expect(report.state == "restarting" && report.crashes == 1)
    #expect(report.reason == "runner org.a was ended by signal 11 (SIGSEGV); it is started again")
  }

  @Test func `a library that is refused takes no time, however many models want it`() async throws {
    var fastest = UInt64.max
    for _ in 0..<4 {
      let fixture = try RouterFixture([.init(id: "org.a", fault: "wrong_abi", change: Self.inProcess)])
      for model in 0..<20 { try fixture.write("m\(model)") }
      let began = linux_now_ns()
      await fixture.router.start()
      fastest = min(fastest, linux_now_ns() - began)
      #expect(await fixture.report().state == "refused")
    }
    // A process that doesn't end when it is told to is ended after two seconds, each time.
    #expect(fastest < 1_900_000_000)
  }

  // MARK: Replacing

  @Test func `what is being loaded while its runner is replaced is served by the new one`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)])
    try fixture.write("a", 1, "bias=1")
    await fixture.router.start()
    let first = await fixture.report().processID
    try fixture.write("z", 1, "bias=2\nfault=load_waits_for_file")
    async let scan: Void = fixture.router.rescan()
    try await wait(for: "the load") { await fixture.states("z") == ["1 LOADING"] }
    async let restart: Void = fixture.router.restartRunner("org.a")
    try await wait(for: "the new process") { await fixture.report().processID != first }
    try fixture.letLoadsGoOn()
    try await restart
    await scan
    #expect(try await fixture.answer("a") == 2)
    #expect(try await fixture.answer("z") == 3)
    await fixture.router.stop()
  }

  @Test func `a search that comes while an earlier one is at work has the last word`() async throws {
    let fixture = try RouterFixture([
      .init(id: "org.a", change: Self.inProcess), .init(id: "org.b", change: Self.inProcess),
    ])
    let both = fixture.router.manifests
    try fixture.write("m", 1, "bias=1")
    try fixture.settings("m", #"{"runners": ["org.a"]}"#)
    await fixture.router.start()
    var one = both
    one.manifests.removeLast()
    one.manifests[0].priority = 7
    // Only the replacement reads this.
    try fixture.write("m", 1, "bias=1\nfault=load_waits_for_file")
    let (asked, firstResult) = (Flag(), one)
    async let first: Void = fixture.router.update {
      asked.set()
      return firstResult
    }
    try await wait(for: "the first") { asked.isSet }
    async let second: Void = fixture.router.update(both)
    // Were it not to wait for the first, it would be at its end by now.
    for _ in 0..<200 { _ = await fixture.router.runnerReports() }
    try fixture.letLoadsGoOn()
    await first
    await second
    let reports = await fixture.router.runnerReports()
    #expect(reports.map(\.manifest.id).sorted() == ["org.a", "org.b"])
    #expect(reports.allSatisfy { $0.reason == nil && $0.manifest.priority == 0 })
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }

  @Test func `a changed manifest replaces the process, a broken one doesn't`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)])
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    let first = await fixture.report().processID
    var changed = fixture.router.manifests
    changed.manifests[0].priority = 7
    await fixture.router.update(changed)
    let second = await fixture.report()
    #expect(second.manifest.priority == 7 && second.processID != first && second.reason == nil)
    #expect(try await fixture.answer("m") == 2)
    changed.manifests[0].options["refuse_load"] = "too old"
    for _ in 0..<2 {
      await fixture.router.update(changed)
      let third = await fixture.report()
      #expect(third.processID == second.processID)
      #expect(third.reason == "its replacement isn't used: runner org.a failed to load the model: too old")
      #expect(try await fixture.answer("m") == 2)
    }
    changed.manifests[0].options = [:]
    await fixture.router.update(changed)
    #expect(await fixture.report().reason == nil)
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }

  @Test func `a replacement that lacked memory is tried again`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)])
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    var changed = fixture.router.manifests
    changed.manifests[0].priority = 7
    try fixture.write("m", 1, "load_code=8")
    await fixture.router.update(changed)
    #expect(await fixture.report().manifest.priority == 0)
    #expect(try await fixture.answer("m") == 2)
    try fixture.write("m", 1, "bias=1")
    await fixture.router.update(changed)
    #expect(await fixture.report().manifest.priority == 7)
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }

  @Test func `a library that breaks is told for as long as it is broken`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)])
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    let found = fixture.router.manifests
    let path = found.manifests[0].libraryPath
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    let process = await fixture.report().processID
    try Data("garbage".utf8).write(to: URL(fileURLWithPath: path))
    for _ in 0..<3 {
      await fixture.router.update(found)
      let report = await fixture.report()
      #expect(report.reason?.hasPrefix("its replacement isn't used: can't open ") == true, "\(report.reason ?? "")")
      #expect(report.processID == process)
      #expect(try await fixture.answer("m") == 2)
    }
    try whole.write(to: URL(fileURLWithPath: path))
    await fixture.router.update(found)
    let report = await fixture.report()
    #expect(report.reason == nil && report.processID != process)
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }

  @Test func `a replacement whose process ends leaves the old one serving`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)])
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    let process = await fixture.report().processID
    // Loaded before it was so; the settings are the model's, so only a fresh process reads this.
    try fixture.write("m", 1, "fault=load_segv")
    let problem = await failure { try await fixture.router.restartRunner("org.a") }
    #expect(problem?.code == .conflict)
    #expect(problem?.message.contains("SIGSEGV") == true)
    #expect(await fixture.report().processID == process)
    #expect(await fixture.report().crashes == 0)
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }

  @Test func `a manifest that is taken away ends the process, and serves again when it is back`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)])
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    let found = fixture.router.manifests
    for _ in 0..<2 {
      let process = try #require(await fixture.report().processID)
      await fixture.router.update(ManifestSearch.Result())
      #expect(kill(process, 0) != 0, "the process is still there")
      #expect(fixture.served("m").isEmpty)
      #expect(await fixture.router.runnerReports().isEmpty)
      await fixture.router.update(found)
      #expect(fixture.served("m") == ["1"])
      #expect(try await fixture.answer("m") == 2)
    }
    await fixture.router.stop()
  }

  @Test func `a manifest that is back before its last run has ended serves again`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", change: Self.inProcess)])
    try fixture.write("m", 1, "ms=300\nbias=1")
    await fixture.router.start()
    let found = fixture.router.manifests
    async let last = fixture.answer("m")
    let served = try fixture.version("m").instances[0]
    try await wait(for: "the run") { served.gate.runningCount == 1 }
    async let gone: Void = fixture.router.update(ManifestSearch.Result())
    try await wait(for: "the model to go") { fixture.served("m").isEmpty }
    await fixture.router.update(found)
    await gone
    #expect(try await last == 2)
    #expect(await fixture.report().reason == nil)
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }

  @Test func `only what can be restarted is`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a")])
    await fixture.router.start()
    _ = await fixture.report()
    #expect(await failure { try await fixture.router.restartRunner("org.a") }?.code == .conflict)
    #expect(await failure { try await fixture.router.restartRunner("org.b") }?.code == .notFound)
  }
}
