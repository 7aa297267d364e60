import Inference
import Manifests
import Testing

@testable import Running

@Suite struct `Loading into a runner` {
  private func failure(_ options: [String: String]) async throws -> String {
    let faulty = try Faulty.shared.get()
    do {
      let loaded = try await faulty.load(options)
      return "loaded \(loaded.model.outputs.map(\.name))"
    } catch let error as HostError {
      return "\(error.code) \(error.message)"
    }
  }

  @Test(arguments: [
    ("sig_null_name", "runnerFailed runner org.stadion.test.faulty: output 0 has no size or name"),
    ("sig_no_size", "runnerFailed runner org.stadion.test.faulty: output 0 has no size or name"),
    ("sig_empty_name", "runnerFailed runner org.stadion.test.faulty: two outputs are named '', or one has no name"),
    ("sig_duplicate", "runnerFailed runner org.stadion.test.faulty: two outputs are named 'Y', or one has no name"),
    ("sig_endless", "runnerFailed runner org.stadion.test.faulty: two inputs are named 'X', or one has no name"),
    ("sig_rank_100", "unsupported output 'Y' has rank 100, at most 8 is served"),
    ("sig_bad_type", "runnerFailed runner org.stadion.test.faulty: output 'Y' has element type 99"),
    ("sig_below", "runnerFailed runner org.stadion.test.faulty: output 'Y' has shape [-2]"),
    ("sig_null_shape", "runnerFailed runner org.stadion.test.faulty: output 'Y' has rank 1 and no shape"),
    ("load_null", "runnerFailed runner org.stadion.test.faulty failed to load the model: no reason given"),
  ])
  func `refuses a model with a broken signature`(fault: String, words: String) async throws {
    #expect(try await failure(["fault": fault]) == words)
  }

  @Test(arguments: [
    ("2", HostError.Code.invalidRequest), ("3", .notFound), ("4", .unsupported), ("5", .overloaded),
    ("6", .deadlineExceeded), ("7", .conflict), ("8", .overloaded), ("9", .runnerFailed), ("77", .runnerFailed),
    ("-1", .runnerFailed),
  ])
  func `says what the runner says`(code: String, expected: HostError.Code) async throws {
    let words = "\(expected) runner org.stadion.test.faulty failed to load the model: the file smells"
    #expect(try await failure(["load_code": code]) == words)
  }

  @Test func `leaves nothing behind when a signature is refused`() async throws {
    let faulty = try Faulty("none")
    let slot = Faulty.takeSlot()
    await #expect(throws: HostError.self) {
      try await faulty.load(["fault": "sig_duplicate", "slot": String(slot)])
    }
    #expect(faulty.count(.loads, slot: slot) == 1)
    #expect(faulty.count(.models, slot: slot) == 0)
  }

  @Test func `unloads a model after its last run`() async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "ignores_cancel"])
    async let answer = loaded.run()
    try await wait(for: "the run") { loaded.count(.running) == 1 }
    async let gone: Void = loaded.unload()
    try await wait(for: "the gate to close") { loaded.model.gate.isClosed }
    #expect(loaded.count(.models) == 1)
    let late = await loaded.failure()
    #expect(late?.code == .conflict)
    loaded.go()
    #expect(try await answer == [[1, 2, 3, 4]])
    await gone
    #expect(loaded.count(.models) == 0)
  }

  @Test func `unloads once, however often it is asked to`() async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "ignores_cancel"])
    async let answer = loaded.run()
    try await wait(for: "the run") { loaded.count(.running) == 1 }
    async let first: Void = loaded.unload()
    async let second: Void = loaded.unload()
    try await wait(for: "the gate to close") { loaded.model.gate.isClosed }
    loaded.go()
    _ = try await answer
    await first
    await second
    #expect(loaded.count(.models) == 0)
  }

  @Test func `a runner that nobody holds leaves no thread`() async throws {
    do {
      let runner = Runner(try Faulty.manifest { $0.id = "org.stadion.test.nobody" })
      // Refused by the plugin, whose id is another; the runner's thread has started.
      await #expect(throws: HostError.self) { try await runner.open() }
      #expect(threadCount(named: "ctl-nobody") == 1)
    }
    try await wait(for: "the thread to end") { threadCount(named: "ctl-nobody") == 0 }
  }

  @Test func `no test hangs on what it has failed to let go on`() async throws {
    let faulty = try Faulty.shared.get()
    let words = "nobody told it to go on"
    let loaded = try await faulty.load(["fault": "ignores_cancel", "patience_ms": "5"])
    #expect(await loaded.failure()?.message.contains(words) == true)
    await loaded.unload()
    await #expect { try await faulty.load(["fault": "load_waits", "patience_ms": "5"]) } throws: { error in
      (error as? HostError)?.message.contains(words) == true
    }
  }

  @Test func `ends a load that takes longer than its manifest allows`() async throws {
    let faulty = try Faulty("none") { $0.limits.loadTimeoutMs = 20 }
    await #expect(throws: HostError.self) { try await faulty.load(["fault": "load_waits"]) }
  }

  @Test func `serves no more models than the manifest allows`() async throws {
    let faulty = try Faulty("none") { $0.limits.models = 1 }
    let first = try await faulty.load()
    do {
      _ = try await faulty.load()
      Issue.record("a second model was loaded")
    } catch let error as HostError {
      #expect(error.code == .overloaded)
      #expect(error.message == "runner org.stadion.test.faulty serves 1 models, its manifest allows 1")
    }
    await first.unload()
    await (try faulty.load()).unload()
  }

  @Test func `has no device that the runner lacks`() async throws {
    let runner = try Faulty("none").runner
    try await runner.open()
    do {
      _ = try await runner.load(
        .init(path: "/", device: .gpu, options: [:], maxConcurrentRuns: nil, queueLimit: 1, inlineMicros: 0))
      Issue.record("loaded on a device that isn't there")
    } catch let error {
      #expect(error.code == .unsupported)
    }
  }
}
