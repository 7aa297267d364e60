import CLinux
import Glibc
import Inference
import Serving
import Synchronization
import Testing

@testable import Running

@Suite struct `Where runs happen` {
  private func place(_ runs: [UInt64], threshold: Int = 200) -> Bool {
    let place = RunPlace(inlineMicros: threshold)
    for run in runs { place.note(run) }
    return place.isInline
  }

  @Test func `on a run thread until four quick runs in a row`() {
    #expect(!place([]))
    #expect(!place([1000, 1000, 1000]))
    #expect(place([1000, 1000, 1000, 1000]))
    #expect(!place([1000, 1000, 1000, 300_000, 1000, 1000, 1000]))
  }

  @Test func `on the loop until two slow runs in a row`() {
    let quick: [UInt64] = [1000, 1000, 1000, 1000]
    #expect(place(quick + [300_000]))
    #expect(place(quick + [300_000, 1000, 300_000, 1000]))
    #expect(!place(quick + [300_000, 300_000]))
    #expect(place(quick + [300_000, 300_000] + quick))
  }

  @Test func `a run of exactly the limit is long, and without a limit none is short`() {
    #expect(!place([200_000, 200_000, 200_000, 200_000]))
    #expect(place([199_999, 199_999, 199_999, 199_999]))
    #expect(!place([0, 0, 0, 0, 0], threshold: 0))
  }

  @Test func `the average follows and doesn't overflow`() {
    let place = RunPlace(inlineMicros: 200)
    place.note(1600)
    #expect(place.averageNanoseconds == 1600)
    place.note(3200)
    #expect(place.averageNanoseconds == 1700)
    place.note(.max)
    place.note(.max)
  }

  // MARK: Threads

  private func threadID() -> UInt64 { UInt64(syscallThreadID()) }

  @Test func `a quick model runs on the event loop's own thread, a slow one never`() async throws {
    let loop = EventLoop(busyPollMicros: 0)
    loop.start(name: "test-loop")
    defer { loop.stop() }
    let faulty = try Faulty.shared.get()
    // A limit of a second and an endless one, so that no load on the machine changes the answer.
    let quick = try await faulty.load(["bias": "1"], inlineMicros: 1_000_000)
    let slow = try await faulty.load(["bias": "1"], inlineMicros: 0)
    let task = Task(executorPreference: loop) { () async throws -> Void in
      let loopThread = threadID()
      #expect(loop.isCurrent)
      let request = RunRequest()
      for number in 0..<8 {
        #expect(try await quick.run([1], request) == [[2]])
        #expect(loop.isCurrent)
        let wasOnLoop = quick.count(.thread) == loopThread
        #expect(wasOnLoop == (number >= 4))
        #expect(try await slow.run([1], request) == [[2]])
        #expect(loop.isCurrent)
        #expect(slow.count(.thread) != loopThread)
      }
    }
    try await task.value
    await quick.unload()
    await slow.unload()
  }

  @Test func `a run that waited for a place comes back to the loop`() async throws {
    let loop = EventLoop(busyPollMicros: 0)
    loop.start(name: "test-loop")
    defer { loop.stop() }
    let loaded = try await Faulty.shared.get().load(["fault": "ignores_cancel"], runs: 1)
    async let first = loaded.run()
    try await wait(for: "the run") { loaded.count(.running) == 1 }
    let second = Task(executorPreference: loop) {
      let prepared = Atomic<Int>(0)
      let answer = try await loaded.run([9], RunRequest(), deadlineNs: linux_now_ns() + 60_000_000_000) {
        prepared.add(1, ordering: .relaxed)
      }
      #expect(loop.isCurrent)
      #expect(prepared.load(ordering: .relaxed) == 1)
      return answer
    }
    try await wait(for: "the waiter") { loaded.model.gate.waitingCount == 1 }
    loaded.go()
    #expect(try await second.value == [[9]])
    _ = try await first
    await loaded.unload()
  }
}
