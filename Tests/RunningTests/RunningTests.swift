import CLinux
import Inference
import Telemetry
import Testing

@testable import Running

@Suite struct `Running a faulty model` {
  @Test(arguments: [
    ("emits_twice", HostError.Code.notOffered, "model answers output 'Y' in several parts; infer takes one answer"),
    ("in_parts", .notOffered, "model answers output 'Y' in several parts; infer takes one answer"),
    ("wrong_name", .runnerFailed, "misbehaves: emitted an output that the model doesn't have"),
    ("null_name", .runnerFailed, "misbehaves: emitted an output that the model doesn't have"),
    ("wrong_type", .runnerFailed, "misbehaves: emitted 'Y' as INT32, declared FP32"),
    ("bad_type", .runnerFailed, "misbehaves: emitted 'Y' with an unknown type or a rank over 8"),
    ("rank_9", .runnerFailed, "misbehaves: emitted 'Y' with an unknown type or a rank over 8"),
    ("rank_huge", .runnerFailed, "misbehaves: emitted 'Y' with an unknown type or a rank over 8"),
    ("null_shape", .runnerFailed, "misbehaves: emitted 'Y' with an unknown type or a rank over 8"),
    ("negative_dim", .runnerFailed, "misbehaves: emitted 'Y' with an impossible shape or size"),
    ("overflowing_shape", .runnerFailed, "misbehaves: emitted 'Y' with an impossible shape or size"),
    ("wrapping_shape", .runnerFailed, "misbehaves: emitted 'Y' with an impossible shape or size"),
    ("size_huge", .runnerFailed, "misbehaves: emitted 'Y' with an impossible shape or size"),
    ("null_data", .runnerFailed, "misbehaves: emitted 'Y' with an impossible shape or size"),
    ("size_too_large", .runnerFailed, "misbehaves: emitted 'Y' with 20 bytes, which its shape doesn't take"),
    ("size_too_small", .runnerFailed, "misbehaves: emitted 'Y' with 15 bytes, which its shape doesn't take"),
    ("no_tensor_size", .runnerFailed, "misbehaves: emitted a tensor without its size"),
    ("null_tensor", .runnerFailed, "misbehaves: emitted a tensor without its size"),
    ("ignores_refusal", .runnerFailed, "misbehaves: emitted a tensor without its size"),
    ("null_request", .invalidRequest, "failed to run: the host refused an output"),
    ("forgets_output", .runnerFailed, "returned without output 'Y'"),
    ("allocates_too_much", .overloaded, "failed to run: no memory"),
    ("own_wrong_type", .runnerFailed, "misbehaves: emitted 'Y' as INT32, declared FP32"),
    ("own_wrong_name", .runnerFailed, "misbehaves: emitted an output that the model doesn't have"),
    ("own_short_buffer", .runnerFailed, "misbehaves: emitted 'Y' outside of its buffer"),
    ("own_elsewhere", .runnerFailed, "misbehaves: emitted 'Y' outside of its buffer"),
    ("host_buffer_spoiled", .runnerFailed, "misbehaves: emitted 'Y' outside of its buffer"),
    ("own_emitted_twice", .notOffered, "model answers output 'Y' in several parts; infer takes one answer"),
    ("host_emitted_twice", .notOffered, "model answers output 'Y' in several parts; infer takes one answer"),
    ("host_given_back", .runnerFailed, "returned without output 'Y'"),
  ])
  func `gives the right error, leaks nothing, and the next run works`(
    fault: String, code: HostError.Code, words: String
  ) async throws {
    let faulty = try Faulty.shared.get()
    let loaded = try await faulty.load(["fault": fault])
    let healthy = try await faulty.load(["bias": "1"])
    let request = RunRequest()
    for _ in 0..<3 {
      let error = await loaded.failure(request)
      #expect(error?.code == code)
      #expect(error?.message.hasSuffix(words) == true, "\(error?.message ?? "no error")")
      #expect(try await healthy.run([1, 2], request) == [[2, 3]])
    }
    #expect(loaded.count(.released) == loaded.count(.made))
    #expect(loaded.count(.running) == 0)
    #expect(loaded.model.gate.runningCount == 0)
    #expect(loaded.statistics.fail.count == 3)
    await loaded.unload()
    await healthy.unload()
  }

  @Test(arguments: ["own", "host"])
  func `takes one buffer for one output only`(owner: String) async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "\(owner)_for_two", "outputs": "2"])
    let request = RunRequest()
    for _ in 0..<3 {
      let error = await loaded.failure(request)
      #expect(error?.code == .runnerFailed)
      #expect(error?.message.hasSuffix("misbehaves: emitted 'Z' in a buffer that it has given away") == true)
    }
    #expect(loaded.count(.released) == loaded.count(.made))
    await loaded.unload()
  }

  @Test(arguments: ["own", "host"])
  func `takes outputs in buffers without a copy and releases each once`(owner: String) async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "\(owner)_buffer", "bias": "1", "outputs": "2"])
    let request = RunRequest()
    for _ in 0..<10 { #expect(try await loaded.run([1, 2, 3], request) == [[2, 3, 4], [2, 3, 4]]) }
    // What isn't wanted is dropped, not kept.
    for _ in 0..<10 { #expect(try await loaded.run([5], request, wanted: [1]) == [[6]]) }
    #expect(loaded.count(.made) == (owner == "own" ? 20 : 0))
    #expect(loaded.count(.released) == loaded.count(.made))
    await loaded.unload()
  }

  @Test func `an output without elements is an output`() async throws {
    let faulty = try Faulty.shared.get()
    for fault in ["none", "own_buffer", "host_buffer"] {
      let loaded = try await faulty.load(["fault": fault])
      #expect(try await loaded.run([]) == [[]])
      await loaded.unload()
    }
  }

  @Test(arguments: [
    (2, HostError.Code.invalidRequest), (3, .notFound), (4, .unsupported), (5, .overloaded), (6, .deadlineExceeded),
    (7, .conflict), (8, .overloaded), (9, .runnerFailed), (11, .runnerFailed), (-1, .runnerFailed),
    (Int(Int32.max), .runnerFailed),
  ])
  func `reads the codes of the contract, and others as the runner's failure`(
    code: Int, expected: HostError.Code
  ) async throws {
    let loaded = try await Faulty.shared.get().load(["code": String(code)])
    let error = await loaded.failure()
    #expect(error?.code == expected)
    #expect(error?.message == "runner org.stadion.test.faulty failed to run: as told (native code 42)")
    await loaded.unload()
  }

  @Test func `a runner that says cancelled when nobody cancelled has failed`() async throws {
    let loaded = try await Faulty.shared.get().load(["code": "1"])
    let error = await loaded.failure()
    #expect(error?.code == .runnerFailed)
    await loaded.unload()
  }

  @Test func `reads error records that lack text, an end, or UTF-8`() async throws {
    let faulty = try Faulty.shared.get()
    for (fault, words) in [
      ("error_without_nul", String(repeating: "e", count: 464)), ("no_error_text", "no reason given"),
      ("error_not_utf8", String(repeating: "\u{FFFD}", count: 8)),
    ] {
      let loaded = try await faulty.load(["fault": fault, "code": "9"])
      let error = await loaded.failure()
      #expect(error?.message == "runner org.stadion.test.faulty failed to run: \(words) (native code 42)")
      await loaded.unload()
    }
  }

  @Test(arguments: ["huge_log", "null_log"])
  func `survives what it logs`(fault: String) async throws {
    let loaded = try await Faulty.shared.get().load(["fault": fault])
    #expect(try await loaded.run([1]) == [[1]])
    await loaded.unload()
  }

  @Test func `an output emitted after the run is given back and harms no other run`() async throws {
    let faulty = try Faulty.shared.get()
    let loaded = try await faulty.load(["fault": "late_emit"])
    let healthy = try await faulty.load()
    let request = RunRequest()
    #expect(try await loaded.run([1], request) == [[1]])
    loaded.go()
    try await wait(for: "the late emit") { loaded.count(.late) != 0 }
    #expect(loaded.count(.late) == 1 + 9)
    #expect(loaded.count(.released) == loaded.count(.made))
    // The next request isn't blamed for it.
    try request.begin(healthy.model)
    #expect(request.takeFault()?.message == nil)
    #expect(try await healthy.run([2], request) == [[2]])
    await loaded.unload()
    await healthy.unload()
  }

  @Test func `refuses outputs over the limit`() async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "own_buffer", "outputs": "2"])
    let request = RunRequest()
    request.outputByteLimit = 31
    let error = await loaded.failure(request)
    #expect(error?.code == .overloaded)
    #expect(error?.message == "the outputs exceed the limit of 31 bytes")
    request.outputByteLimit = 32
    #expect(try await loaded.run([1, 2, 3, 4], request).count == 2)
    #expect(loaded.count(.released) == loaded.count(.made))
    await loaded.unload()
  }

  @Test func `never runs more at once than the limit`() async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "serial_only"], runs: 1)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<64 {
        group.addTask {
          let answer = try await loaded.run([Float(number)])
          #expect(answer == [[Float(number)]])
        }
      }
      try await group.waitForAll()
    }
    #expect(loaded.count(.mostRunning) == 1)
    #expect(loaded.statistics.fail.count == 0)
    await loaded.unload()
  }

  @Test func `runs as many at once as it may`() async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "ignores_cancel"], runs: 8)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { try await loaded.run() } }
      try await wait(for: "8 runs at once") { loaded.count(.running) == 8 }
      loaded.go()
      try await group.waitForAll()
    }
    #expect(loaded.count(.mostRunning) == 8)
    await loaded.unload()
  }

  // MARK: Cancelling

  @Test func `a run that polls ends when its caller leaves`() async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "polls_cancel"])
    let request = RunRequest()
    async let error = loaded.failure(request)
    try await wait(for: "the run") { loaded.count(.running) == 1 }
    loaded.model.cancel(request.ticket, id: request.ticket.id, .caller)
    #expect(await error?.code == .cancelled)
    #expect(loaded.count(.cancelled) == 1)
    await loaded.unload()
  }

  @Test func `a run that polls ends when its deadline passes`() async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "polls_cancel"])
    // On a busy machine the deadline may pass before the run begins.
    for milliseconds in [20, 200, 2000] as [UInt64] where loaded.count(.runs) == 0 {
      let error = await loaded.failure(deadlineNs: linux_now_ns() + milliseconds * 1_000_000)
      #expect(error?.code == .deadlineExceeded)
    }
    #expect(loaded.count(.cancelled) == 1)
    await loaded.unload()
  }

  @Test func `a request whose deadline has passed doesn't reach the runner`() async throws {
    let loaded = try await Faulty.shared.get().load()
    #expect(await loaded.failure(deadlineNs: 1)?.code == .deadlineExceeded)
    #expect(loaded.count(.runs) == 0)
    await loaded.unload()
  }

  @Test func `a waiting request ends when its deadline passes, the running one goes on`() async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "ignores_cancel"], runs: 1)
    async let answer = loaded.run()
    try await wait(for: "the run") { loaded.count(.running) == 1 }
    #expect(await loaded.failure(deadlineNs: linux_now_ns() + 20_000_000)?.code == .deadlineExceeded)
    #expect(loaded.model.gate.waitingCount == 0)
    loaded.go()
    #expect(try await answer == [[1, 2, 3, 4]])
    #expect(loaded.count(.runs) == 1)
    await loaded.unload()
  }

  @Test func `cancelling an ended request doesn't touch the next one`() async throws {
    let loaded = try await Faulty.shared.get().load(["fault": "polls_cancel"])
    let request = RunRequest()
    async let first = loaded.failure(request)
    try await wait(for: "the first run") { loaded.count(.running) == 1 }
    let stale = request.ticket.id
    loaded.model.cancel(request.ticket, id: stale, .caller)
    #expect(await first?.code == .cancelled)
    async let second = loaded.run([7], request)
    try await wait(for: "the second run") { loaded.count(.running) == 1 && request.ticket.id != stale }
    loaded.model.cancel(request.ticket, id: stale, .caller)
    #expect(!request.ticket.isCancelled)
    loaded.go()
    #expect(try await second == [[7]])
    await loaded.unload()
  }
}
