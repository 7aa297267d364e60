import CLinux
import CRunning
import Foundation
import Inference
import Serving
import Telemetry
import Testing
import Threads

@testable import Running

// One after the other: of many loops at once, only the first have bells.
@Suite(.serialized) struct `Waiting for a process on an event loop` {
  /// Other tests have loops at the same time.
  private func makeLoop() async throws -> EventLoop {
    var loop = EventLoop(busyPollMicros: 0)
    try await wait(for: "a loop with a bell") {
      if loop.place >= SHARED_BELLS { loop = EventLoop(busyPollMicros: 0) }
      return loop.place < SHARED_BELLS
    }
    return loop
  }

  private func onLoop<Value: Sendable>(
    _ body: @escaping @Sendable (EventLoop) async throws -> Value
  ) async throws -> Value {
    let loop = try await makeLoop()
    loop.start(name: "test-loop")
    defer { loop.stop() }
    return try await Task(executorPreference: loop) { try await body(loop) }.value
  }

  @Test(arguments: ["none", "own_buffer", "host_buffer"])
  func `gives outputs of any size`(fault: String) async throws {
    try await onLoop { loop in
      let faulty = try FaultyProcess()
      let model = try await faulty.load(["fault": fault, "bias": "1"])
      let request = RunRequest()
      for count in [1, 255, 100_000, 1000, 1_000_000, 1] {
        let values = (0..<count).map { Float($0 % 1000) }
        #expect(try await model.run(values, request, on: loop) == [values.map { $0 + 1 }])
        #expect(loop.isCurrent)
      }
      #expect(model.model.sharedArena?.usedBytes == 0)
      await faulty.runner.stop()
    }
  }

  @Test func `keeps the loop free, and a caller who leaves ends the run`() async throws {
    try await onLoop { loop in
      let faulty = try FaultyProcess { $0.killAfterMs = 20_000 }
      let model = try await faulty.load(["fault": "polls_cancel"])
      let request = RunRequest()
      let run = Task(executorPreference: loop) { await model.failure(request, on: loop) }
      try await wait(for: "the run") { model.model.gate.runningCount == 1 }
      // This is the loop's thread, and the run is under way.
      #expect(loop.isCurrent)
      model.model.cancel(request.ticket, id: request.ticket.id, .caller)
      #expect(await run.value?.code == .cancelled)
      #expect(faulty.ends.value.isEmpty)
      await faulty.runner.stop()
    }
  }

  @Test func `what a loop waited before it gave up is no time in a queue`() async throws {
    try await onLoop { loop in
      let faulty = try FaultyProcess()
      // Quick enough for the loop, slower than its patience.
      let model = try await faulty.load(["ms": "20"], inlineMicros: 1_000_000)
      for _ in 0..<4 { try await model.run(on: loop) }
      try #require(model.model.place.isInline)
      let request = RunRequest()
      try request.begin(model.model)
      request.shape(ofInput: 0)[0] = 0
      request.setInput(0, rank: 1, data: try #require(request.arena.allocate(0)), byteCount: 0)
      request.ticket.renew(deadlineNs: 0)
      var waited = 0
      let times = try await model.model.execute(request, on: loop, statistics: model.statistics) { waited += 1 }
      #expect(waited == 1)
      #expect(times.queueNs == 0)
      request.reset()
      await faulty.runner.stop()
    }
  }

  @Test func `a deadline ends the run`() async throws {
    try await onLoop { loop in
      let faulty = try FaultyProcess { $0.killAfterMs = 20_000 }
      let model = try await faulty.load(["fault": "polls_cancel"])
      let error = await model.failure(deadlineNs: linux_now_ns() + 50_000_000, on: loop)
      #expect(error?.code == .deadlineExceeded)
      #expect(faulty.ends.value.isEmpty)
      await faulty.runner.stop()
    }
  }

  @Test(arguments: [
    ("segv", "ended by signal 11 (SIGSEGV)"), ("exit", "ended with exit code 3"),
    ("ignores_cancel", "ended by the host: a run went on for 200 ms after it was cancelled"),
    ("stop", "ended by the host: a run went on for 200 ms after it was cancelled"),
  ])
  func `an end of the process fails its requests, and only them`(fault: String, reason: String) async throws {
    try await onLoop { loop in
      let faulty = try FaultyProcess()
      let other = try FaultyProcess()
      let bystander = try await other.load(["bias": "1"])
      let broken = try await faulty.load(["fault": fault])
      let error = await broken.failure(deadlineNs: linux_now_ns() + 300_000_000, on: loop)
      #expect(error?.code == .runnerFailed)
      #expect(error?.message == "runner org.stadion.test.faulty: its process was \(reason)")
      #expect(try await bystander.run([1], on: loop) == [[2]])
      #expect(await broken.failure(on: loop)?.code == .overloaded)
      let again = try await faulty.load(["bias": "2"])
      #expect(try await again.run([1], on: loop) == [[3]])
      for each in [faulty, other] { await each.runner.stop() }
    }
  }

  /// The loop looks by itself now and then.
  @Test(arguments: [("closes_bells", 3), ("fills_bells", 1)])
  func `a process that never rings is found to be done, and holds nothing up`(
    fault: String, runs: Int
  ) async throws {
    try await onLoop { loop in
      let faulty = try FaultyProcess()
      let mute = try await faulty.load(["fault": fault, "bias": "1"])
      // Who has filled its bells waits for room, and makes no further run.
      for number in 0..<runs { #expect(try await mute.run([Float(number)], on: loop) == [[Float(number + 1)]]) }
      #expect(faulty.ends.value.isEmpty)
      await faulty.runner.stop()
    }
  }

  @Test func `a process that rings for ever is ended, and others are answered meanwhile`() async throws {
    try await onLoop { loop in
      let faulty = try FaultyProcess()
      let other = try FaultyProcess()
      let bystander = try await other.load(["bias": "1"])
      let loud = try await faulty.load(["fault": "rings_for_ever"])
      // Whichever comes first: its answer or its end.
      _ = await loud.failure(on: loop)
      #expect(try await bystander.run([1], on: loop) == [[2]])
      try await wait(for: "the end to be told") { !faulty.ends.value.isEmpty }
      #expect(faulty.ends.value.map(\.reason) == ["ended by the host: it rings when nobody waits"])
      #expect(try await bystander.run([2], on: loop) == [[3]])
      for each in [faulty, other] { await each.runner.stop() }
    }
  }

  @Test func `survives whatever the process writes into shared memory`() async throws {
    try await onLoop { loop in
      let other = try FaultyProcess()
      let bystander = try await other.load(["bias": "1"])
      for seed in 0..<6 {
        let faulty = try FaultyProcess()
        guard let model = try? await faulty.load(["fault": "scribbles", "slot": String(seed)]) else { continue }
        let request = RunRequest()
        for count in 0..<200 where model.model.processEnd == nil {
          _ = try? await model.run(
            Array(repeating: 1, count: 1 + count * 7), request, deadlineNs: linux_now_ns() + 200_000_000, on: loop)
        }
        #expect(try await bystander.run([1], on: loop) == [[2]])
        await faulty.runner.stop()
      }
      await other.runner.stop()
    }
  }

  @Test func `a run whose description is ruined ends the process`() async throws {
    try await onLoop { loop in
      let faulty = try FaultyProcess()
      let model = try await faulty.load(["fault": "ruins_run"])
      #expect(await model.failure(on: loop)?.code == .runnerFailed)
      try await wait(for: "the end to be told") { !faulty.ends.value.isEmpty }
      #expect(faulty.ends.value[0].reason.hasPrefix("ended by the host: "))
      await faulty.runner.stop()
    }
  }

  @Test func `many at once each get their own answer, on every loop`() async throws {
    let loops = [try await makeLoop(), try await makeLoop(), try await makeLoop()]
    for loop in loops { loop.start(name: "test-loop") }
    defer { for loop in loops { loop.stop() } }
    let faulty = try FaultyProcess()
    let model = try await faulty.load(["ms": "1"], runs: 8)
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<16 {
        let loop = loops[task % loops.count]
        group.addTask(executorPreference: loop) {
          let request = RunRequest()
          for count in 0..<20 {
            let values = [Float](repeating: Float(task), count: 1 + task * 100 + count)
            guard let answer = try? await model.run(values, request, on: loop), answer == [values] else { return false }
          }
          return true
        }
      }
      for await isRight in group { #expect(isRight) }
    }
    #expect(faulty.ends.value.isEmpty)
    await faulty.runner.stop()
  }

  @Test func `a loop lets go of a process that has ended`() async throws {
    try await onLoop { loop in
      weak var bell: RunBell?
      do {
        let faulty = try FaultyProcess()
        let model = try await faulty.load(["bias": "1"])
        #expect(try await model.run([1], on: loop) == [[2]])
        bell = (model.model.home as? ProcessModel)?.bell(on: loop)
        #expect(bell != nil)
        await faulty.runner.stop()
      }
      try await wait(for: "the bell to go") { bell == nil }
      #expect(loop.armedCount == 0)
    }
  }
}
