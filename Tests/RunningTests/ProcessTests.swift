import CLinux
import Foundation
import Inference
import Manifests
import Telemetry
import Testing

@testable import Running

@Suite struct `A runner in a process of its own` {
  @Test func `answers as in the host`() async throws {
    let faulty = try FaultyProcess()
    let model = try await faulty.load(["bias": "1", "outputs": "2"])
    #expect(try await model.run([1, 2, 3]) == [[2, 3, 4], [2, 3, 4]])
    #expect(try await model.run([5], wanted: [1]) == [[6]])
    #expect(try await model.run([]) == [[], []])
    #expect(faulty.process != getpid())
    await faulty.runner.stop()
  }

  @Test(.enabled(if: Slice.isKnown, "machine: the kernel gives threads no slices of their own"))
  func `lets others go first in its start, and is quick in its runs`() async throws {
    let faulty = try FaultyProcess()
    let model = try await faulty.load()
    #expect(try await model.run([1]) == [[1]])
    let slices = Slice.threads(of: faulty.process)
    #expect(slices["main"] == 10_000_000)
    #expect(slices["run"] == 100_000)
    let usual = Slice.threads(of: faulty.process)["listen"]
    #expect(usual.map { (100_001..<10_000_000).contains($0) } == true)
    // A thread that has started a process is as it was; other tests start some, too.
    try await wait(for: "usual slices") { Slice.threads(of: getpid()).values.allSatisfy { $0 < 10_000_000 } }
    await faulty.runner.stop()
  }

  @Test(arguments: ["none", "own_buffer", "host_buffer"])
  func `gives outputs of any size, in whosever memory they were`(fault: String) async throws {
    let faulty = try FaultyProcess()
    let model = try await faulty.load(["fault": fault, "bias": "1"])
    let request = RunRequest()
    for count in [1, 255, 100_000, 1000, 1_000_000, 1] {
      let values = (0..<count).map { Float($0 % 1000) }
      #expect(try await model.run(values, request) == [values.map { $0 + 1 }])
    }
    #expect(model.model.sharedArena?.usedBytes == 0)
    await faulty.runner.stop()
  }

  @Test(arguments: [
    ("emits_twice", HostError.Code.notOffered, "model answers output 'Y' in several parts; infer takes one answer"),
    ("wrong_name", .runnerFailed, "misbehaves: emitted an output that the model doesn't have"),
    ("wrong_type", .runnerFailed, "misbehaves: emitted 'Y' as INT32, declared FP32"),
    ("rank_huge", .runnerFailed, "misbehaves: emitted 'Y' with an unknown type or a rank over 8"),
    ("overflowing_shape", .runnerFailed, "misbehaves: emitted 'Y' with an impossible shape or size"),
    ("size_too_small", .runnerFailed, "misbehaves: emitted 'Y' with 15 bytes, which its shape doesn't take"),
    ("null_request", .invalidRequest, "failed to run: the host refused an output"),
    ("forgets_output", .runnerFailed, "returned without output 'Y'"),
    ("allocates_too_much", .overloaded, "failed to run: no memory"),
    ("own_elsewhere", .runnerFailed, "misbehaves: emitted 'Y' outside of its buffer"),
    ("host_buffer_spoiled", .runnerFailed, "misbehaves: emitted 'Y' outside of its buffer"),
    ("host_given_back", .runnerFailed, "returned without output 'Y'"),
  ])
  func `gives the errors that it gives in the host, and goes on`(
    fault: String, code: HostError.Code, words: String
  ) async throws {
    let faulty = try FaultyProcess()
    let broken = try await faulty.load(["fault": fault])
    let healthy = try await faulty.load(["bias": "1"])
    let request = RunRequest()
    for _ in 0..<3 {
      let error = await broken.failure(request)
      #expect(error?.code == code)
      #expect(error?.message.hasSuffix(words) == true, "\(error?.message ?? "no error")")
      #expect(try await healthy.run([1, 2], request) == [[2, 3]])
    }
    #expect(faulty.ends.value.isEmpty)
    await faulty.runner.stop()
  }

  @Test(arguments: [
    ("segv", "ended by signal 11 (SIGSEGV)"), ("abort", "ended by signal 6 (SIGABRT)"),
    ("exit", "ended with exit code 3"), ("stop", "ended by the host: a run went on for 200 ms after it was cancelled"),
    ("ignores_cancel", "ended by the host: a run went on for 200 ms after it was cancelled"),
  ])
  func `an end of the process fails its requests, and only them`(fault: String, reason: String) async throws {
    let faulty = try FaultyProcess()
    let other = try FaultyProcess()
    let bystander = try await other.load(["bias": "1"])
    let broken = try await faulty.load(["fault": fault])
    let process = faulty.process
    let error = await broken.failure(deadlineNs: linux_now_ns() + 300_000_000)
    #expect(error?.code == .runnerFailed)
    #expect(error?.message == "runner org.stadion.test.faulty: its process was \(reason)")
    try await wait(for: "the end to be told") { !faulty.ends.value.isEmpty }
    #expect(faulty.ends.value.map(\.reason) == [reason])
    #expect(faulty.ends.value.map(\.isOverdueRun) == [reason.hasSuffix("cancelled")])
    #expect(!faulty.isAlive(process))
    #expect(try await bystander.run([1]) == [[2]])
    // What comes later is told to come back, until the runner is opened again.
    #expect(await broken.failure()?.code == .overloaded)
    let again = try await faulty.load(["bias": "2"])
    #expect(try await again.run([1]) == [[3]])
    #expect(faulty.process != process)
    for each in [faulty, other] { await each.runner.stop() }
  }

  /// 9: the kernel's SIGKILL, as `wait` has it.
  @Test func `an end for want of memory is told as such, unless the host had another reason`() {
    func end(_ charge: String?, wasOutOfMemory: Bool) -> RunnerEnd {
      RunnerEnd(status: 9, charge: charge, wasOutOfMemory: wasOutOfMemory, isOverdueRun: false)
    }
    #expect(
      end(nil, wasOutOfMemory: true).reason == "ended by the host: it took more memory than its manifest allows")
    #expect(end(nil, wasOutOfMemory: true).cause == "host")
    #expect(end("it sent garbage", wasOutOfMemory: true).reason == "ended by the host: it sent garbage")
    #expect(end(nil, wasOutOfMemory: false).reason.hasPrefix("ended by signal 9 (SIGKILL: out of memory"))
    #expect(end(nil, wasOutOfMemory: false).cause == "SIGKILL")
  }

  /// What arrives is put where the process reads it, and what it has written is what leaves.
  @Test(arguments: ["none", "host_buffer"])
  func `no tensor is copied between host and process`(fault: String) async throws {
    let faulty = try FaultyProcess()
    let model = try await faulty.load(["fault": fault, "bias": "1"])
    let arena = try #require(model.model.sharedArena)
    func isShared(_ place: UnsafeRawPointer) -> Bool { place >= arena.base && place < arena.base + arena.byteCount }
    let request = RunRequest()
    for count in [1, 1000, 1_000_000] {
      try request.begin(model.model)
      let input = try #require(request.arena.allocate(4 * count)).assumingMemoryBound(to: Float.self)
      #expect(isShared(input))
      input.initialize(repeating: 2, count: count)
      request.shape(ofInput: 0)[0] = Int64(count)
      request.setInput(0, rank: 1, data: input, byteCount: 4 * count)
      request.ticket.renew(deadlineNs: 0)
      try await model.model.execute(request, statistics: model.statistics) {}
      let output = try #require(request.outputs.first)
      #expect(isShared(output.data) && output.data != UnsafeRawPointer(input))
      #expect(output.data.load(as: Float.self) == 3 && output.byteCount == 4 * count)
      request.reset()
    }
    await faulty.runner.stop()
  }

  @Test func `a runner that polls its ticket is cancelled and its process stays`() async throws {
    let faulty = try FaultyProcess { $0.killAfterMs = 20_000 }
    let model = try await faulty.load(["fault": "polls_cancel"])
    let error = await model.failure(deadlineNs: linux_now_ns() + 50_000_000)
    #expect(error?.code == .deadlineExceeded)
    #expect(faulty.ends.value.isEmpty)
    await faulty.runner.stop()
  }

  @Test func `a run that is cancelled before it is handed over ends all the same`() async throws {
    let faulty = try FaultyProcess { $0.killAfterMs = 20_000 }
    let model = try await faulty.load(["fault": "polls_cancel"])
    let request = RunRequest()
    // Without a deadline: only the word in shared memory can end it.
    await #expect(throws: HostError.self) {
      try await model.run([1], request) { model.model.cancel(request.ticket, id: request.ticket.id, .caller) }
    }
    #expect(faulty.ends.value.isEmpty)
    await faulty.runner.stop()
  }

  @Test func `a load that crashes or hangs ends its process, not the host`() async throws {
    let faulty = try FaultyProcess { _ in
    } manifest: {
      $0.limits.loadTimeoutMs = 100
    }
    for fault in ["load_segv", "load_hangs"] {
      do {
        _ = try await faulty.load(["fault": fault])
        Issue.record("\(fault) loaded")
      } catch let error as HostError {
        #expect(error.code == .runnerFailed && error.isProcessEnd, "\(error)")
      }
    }
    #expect(try await faulty.load(["bias": "1"]).run([1]) == [[2]])
    await faulty.runner.stop()
  }

  @Test func `only opening starts a process`() async throws {
    let faulty = try FaultyProcess()
    func refusal() async throws -> HostError? {
      do {
        _ = try await faulty.runner.load(.init(path: "/", device: .cpu, options: [:]))
        return nil
      } catch {
        return error
      }
    }
    #expect(try await refusal()?.isProcessEnd == true)
    #expect(faulty.process == 0)
    _ = try await faulty.load()
    let first = faulty.process
    kill(first, SIGKILL)
    try await wait(for: "the end") { !faulty.ends.value.isEmpty }
    #expect(faulty.runner.hasEnded)
    let error = try await refusal()
    #expect(error?.code == .overloaded && error?.isProcessEnd == true)
    #expect(faulty.process == first)
    #expect(try await faulty.load(["bias": "1"]).run([1]) == [[2]])
    #expect(!faulty.runner.hasEnded)
    await faulty.runner.stop()
    let late = try await refusal()
    #expect(late?.isProcessEnd == true)
  }

  @Test func `survives whatever the process writes into shared memory`() async throws {
    var ends = 0
    for seed in 0..<6 {
      let faulty = try FaultyProcess()
      guard let model = try? await faulty.load(["fault": "scribbles", "slot": String(seed)]) else { continue }
      let request = RunRequest()
      for count in 0..<200 where faulty.ends.value.isEmpty {
        _ = try? await model.run(
          Array(repeating: 1, count: 1 + count * 7), request, deadlineNs: linux_now_ns() + 200_000_000)
      }
      ends += faulty.ends.value.count
      await faulty.runner.stop()
    }
    // Most of what is written is noticed sooner or later.
    #expect(ends > 0)
  }

  @Test func `a run whose description is ruined ends the process`() async throws {
    let faulty = try FaultyProcess()
    let model = try await faulty.load(["fault": "ruins_run"])
    let error = await model.failure()
    #expect(error?.code == .runnerFailed)
    try await wait(for: "the end to be told") { !faulty.ends.value.isEmpty }
    #expect(faulty.ends.value[0].reason.hasPrefix("ended by the host: "))
    await faulty.runner.stop()
  }

  @Test(arguments: ["ruins_ring", "garbage_on_control", "closes_all"])
  func `a process that spoils its own way to the host harms no other`(fault: String) async throws {
    let faulty = try FaultyProcess()
    let model = try await faulty.load(["fault": fault])
    for _ in 0..<3 { _ = await model.failure(deadlineNs: linux_now_ns() + 100_000_000) }
    if fault == "garbage_on_control" { try await wait(for: "its end") { !faulty.ends.value.isEmpty } }
    await faulty.runner.stop()
    let other = try FaultyProcess()
    #expect(try await other.load(["bias": "1"]).run([1]) == [[2]])
    await other.runner.stop()
  }

  @Test func `gives its memory back when it is stopped`() async throws {
    let faulty = try FaultyProcess()
    let model = try await faulty.load(["bias": "1"])
    let arena = try #require(model.model.sharedArena)
    // Of the shared file itself: what this process has resident changes with the tests beside this one.
    func sharedBytes() -> Int {
      var status = stat()
      return fstat(arena.descriptor, &status) == 0 ? Int(status.st_blocks) * 512 : -1
    }
    let before = sharedBytes()
    _ = try await model.run(Array(repeating: 1, count: 4_000_000))
    #expect(sharedBytes() > before + 24 << 20)
    let process = faulty.process
    await faulty.runner.stop()
    #expect(!faulty.isAlive(process))
    #expect(arena.usedBytes == 0)
    #expect(sharedBytes() < before + 1 << 20)
  }

  @Test func `runs beside each other up to the gate, and each gets its own answer`() async throws {
    let faulty = try FaultyProcess()
    let model = try await faulty.load(["ms": "1"], runs: 8)
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<16 {
        group.addTask {
          let request = RunRequest()
          for count in 0..<20 {
            let values = [Float](repeating: Float(task), count: 1 + task * 100 + count)
            guard let answer = try? await model.run(values, request), answer == [values] else { return false }
          }
          return true
        }
      }
      for await isRight in group { #expect(isRight) }
    }
    await faulty.runner.stop()
  }

  @Test func `what it prints goes to the log, line by line`() async throws {
    let faulty = try FaultyProcess()
    let model = try await faulty.load(["fault": "prints", "bias": "1"])
    #expect(try await model.run([1]) == [[2]])
    await faulty.runner.stop()
  }
}

/// How long the scheduler lets threads run when others wait.
private enum Slice {
  static var isKnown: Bool { !threads(of: getpid()).isEmpty }

  /// Nanoseconds by name of the thread.
  static func threads(of process: Int32) -> [String: Int] {
    let folder = "/proc/\(process)/task"
    var slices: [String: Int] = [:]
    for thread in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      func text(_ file: String) -> String {
        (try? String(contentsOfFile: "\(folder)/\(thread)/\(file)", encoding: .utf8)) ?? ""
      }
      let name = thread == "\(process)" ? "main" : text("comm").trimmingCharacters(in: .whitespacesAndNewlines)
      let line = text("sched").split(separator: "\n").first { $0.hasPrefix("se.slice ") }
      if let number = line?.split(separator: " ").last.flatMap({ Int($0) }) { slices[name] = number }
    }
    return slices
  }
}
