import CLinux
import Foundation
import Testing
import Threads

@testable import Running

/// This thread's number as the kernel gives it.
func syscallThreadID() -> Int {
  // The link reads "<pid>/task/<tid>".
  let link = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
  return Int(link.split(separator: "/").last!)!
}

private func threadName() -> String {
  (try! String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)).trimmingCharacters(in: .newlines)
}

func threadCount(named name: String) -> Int {
  let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
  return tasks.filter { task in
    (try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8))?.hasPrefix(name + "\n") == true
  }.count
}

/// Lets no new thread start meanwhile: none can have the stack that it would be given. For a process of its own.
private func forbiddingThreads<R>(_ body: () -> R) -> R {
  func setDefault(stackSize: Int) {
    // A GNU extension, which Swift doesn't import.
    typealias SetDefault = @convention(c) (UnsafePointer<pthread_attr_t>) -> CInt
    let setDefault = unsafeBitCast(dlsym(nil, "pthread_setattr_default_np")!, to: SetDefault.self)
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, stackSize)
    #expect(setDefault(&attributes) == 0)
  }
  setDefault(stackSize: 1 << 46)
  defer { setDefault(stackSize: 8 << 20) }
  return body()
}

@Suite struct `Run threads` {
  @Test func `do the work on threads of their own name`() async {
    let threads = RunThreads(name: "rt-name", limit: 2)
    let here = syscallThreadID()
    let (name, thread) = await withTaskExecutorPreference(threads) { @Sendable () async -> (String, Int) in
      (threadName(), syscallThreadID())
    }
    #expect(name == "rt-name")
    #expect(thread != here)
    threads.end()
  }

  /// Jobs that only end once `count` of them run at once.
  private func meet(_ count: Int, on threads: RunThreads) async throws {
    let arrived = Locked(0)
    let failed = Locked(false)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<count {
        group.addTask(executorPreference: threads) {
          arrived.withLock { $0 += 1 }
          let limit = linux_now_ns() + 10_000_000_000
          while arrived.value < count {
            if linux_now_ns() > limit {
              failed.withLock { $0 = true }
              return
            }
            usleep(50)
          }
        }
      }
    }
    if failed.value { throw TimedOut(description: "\(count) jobs never ran at once") }
  }

  @Test func `run as many jobs at once as there may be threads`() async throws {
    let threads = RunThreads(name: "rt-many", limit: 16)
    // Again with threads that are idle, about to be idle, and too few: each time all must run at once.
    for count in [1, 2, 3, 5, 8, 16, 16, 2, 16] { try await meet(count, on: threads) }
    #expect(threadCount(named: "rt-many") == 16)
    threads.end()
    try await wait(for: "the threads to end") { threadCount(named: "rt-many") == 0 }
  }

  @Test func `leave to the last that was busy what one can do`() async throws {
    let threads = RunThreads(name: "rt-last", limit: 16)
    try await meet(16, on: threads)
    var seen: Set<Int> = []
    for _ in 0..<200 {
      seen.insert(await withTaskExecutorPreference(threads) { @Sendable () async in syscallThreadID() })
    }
    // A thread that isn't asleep yet when the next job comes leaves it to another.
    #expect(seen.count < 16, "all had a turn")
    threads.end()
  }

  @Test func `never run more jobs at once than there may be threads`() async {
    let threads = RunThreads(name: "rt-limit", limit: 3)
    let most = Locked((now: 0, ever: 0))
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<500 {
        group.addTask(executorPreference: threads) {
          most.withLock {
            $0.now += 1
            $0.ever = max($0.ever, $0.now)
          }
          usleep(20)
          most.withLock { $0.now -= 1 }
        }
      }
    }
    #expect(most.value.ever <= 3)
    threads.end()
    try? await wait(for: "the threads to end") { threadCount(named: "rt-limit") == 0 }
  }

  @Test func `do what comes after their end, and end again`() async throws {
    let threads = RunThreads(name: "rt-end", limit: 2)
    try await meet(2, on: threads)
    threads.end()
    try await wait(for: "the threads to end") { threadCount(named: "rt-end") == 0 }
    try await meet(2, on: threads)
    try await wait(for: "the threads to end again") { threadCount(named: "rt-end") == 0 }
  }

  @Test func `are gone with their last reference`() async throws {
    weak var gone: RunThreads?
    do {
      let threads = RunThreads(name: "rt-gone", limit: 2)
      gone = threads
      try await meet(2, on: threads)
      threads.end()
    }
    try await wait(for: "the threads to end") { threadCount(named: "rt-gone") == 0 && gone == nil }
  }

  // MARK: Calls

  @Test(arguments: [1, 2, 3, 8])
  func `lose no job, however they come and go`(limit: Int) async throws {
    let threads = RunThreads(name: "rt-storm-\(limit)", limit: limit)
    let done = Locked(0)
    // Each awaits its jobs one by one: a lost call leaves it waiting.
    let work = Task {
      await withTaskGroup(of: Void.self) { group in
        for worker in 0..<8 {
          group.addTask {
            var dice = Dice(state: UInt64(limit * 100 + worker))
            for step in 0..<500 {
              let length = dice.next() % 64
              await withTaskExecutorPreference(threads) { @Sendable () async in
                for _ in 0..<length { _ = linux_now_ns() }
                done.withLock { $0 += 1 }
              }
              // Until then threads sleep and are called, from then on they end and start.
              if worker == 0 && step == 250 { threads.end() }
            }
          }
        }
      }
    }
    // However slow the machine is, it goes on.
    var seen = 0
    while seen < 8 * 500 {
      let before = seen
      try await wait(for: "a job after \(before)") { done.value > before }
      seen = done.value
    }
    await work.value
    try await wait(for: "the threads to end") { threadCount(named: "rt-storm-\(limit)") == 0 }
  }

  // MARK: Without threads

  @Test func `go on with fewer threads where no more can be had`() async {
    await #expect(processExitsWith: .success) {
      let threads = RunThreads(name: "rt-few", limit: 8)
      await Task(executorPreference: threads) {}.value
      let held = Locked(true)
      // May have started a second thread, if the first hadn't fallen asleep yet.
      let holder = Task(executorPreference: threads) { while held.value { usleep(50) } }
      let done = Locked(0)
      let jobs = forbiddingThreads {
        (0..<20).map { _ in Task(executorPreference: threads) { done.withLock { $0 += 1 } } }
      }
      held.withLock { $0 = false }
      for job in jobs + [holder] { _ = await job.value }
      #expect(done.value == 20)
      #expect(threadCount(named: "rt-few") <= 2)
    }
  }

  @Test func `end the process where not even one can be had`() async {
    await #expect(processExitsWith: .failure) {
      let threads = RunThreads(name: "rt-none", limit: 8)
      let job = forbiddingThreads { Task(executorPreference: threads) {} }
      await job.value
    }
  }

  actor Counter {
    private nonisolated let threads = RunThreads(name: "rt-actor", limit: 1)
    nonisolated var unownedExecutor: UnownedSerialExecutor { threads.asUnownedSerialExecutor() }
    private(set) var count = 0
    func add() -> Int {
      count += 1
      return syscallThreadID()
    }
    nonisolated func end() { threads.end() }
  }

  @Test func `with one thread are an actor's executor`() async {
    let counter = Counter()
    let seen = await withTaskGroup(of: Int.self, returning: Set<Int>.self) { group in
      for _ in 0..<1000 { group.addTask { await counter.add() } }
      return await group.reduce(into: []) { $0.insert($1) }
    }
    #expect(await counter.count == 1000)
    #expect(seen.count == 1)
    counter.end()
  }
}
