import CLinux
import CRunning
import Glibc
import Inference
import Running
import Synchronization

/// Threads that take runs from the ring, make them, and write down what came out.
final class RunWorkers: @unchecked Sendable {
  // @unchecked: the pointers are set once; what changes is atomic or behind a lock.
  private let base: UnsafeMutableRawPointer
  private let arenaBytes: Int
  private let ring: UnsafeMutablePointer<shared_ring>
  private let spinNs: UInt64
  private let habit = SpinHabit()
  private let models = Mutex<[UInt32: LocalModel]>([:])
  /// Runs ever taken from the ring.
  private let head = Atomic<UInt32>(0)

  /// One idle thread at a time waits for the next run, so that it is always the same one while runs come one by one.
  private let hasLeader = Atomic<Bool>(false)
  /// Threads that wait to be called, and those that are being started.
  private let reserve = Atomic<Int>(0)
  private let threads = Mutex(0)

  /// The host's gates let in fewer for each model.
  private static let threadLimit = 256

  init(base: UnsafeMutableRawPointer, arenaBytes: Int, spinNs: UInt64) {
    self.base = base
    self.arenaBytes = arenaBytes
    ring = base.assumingMemoryBound(to: shared_ring.self)
    self.spinNs = spinNs
  }

  // MARK: Models

  func add(_ number: UInt32, _ model: LocalModel) { models.withLock { $0[number] = model } }

  func remove(_ number: UInt32) -> LocalModel? { models.withLock { $0.removeValue(forKey: number) } }

  func removeAll() -> [LocalModel] {
    models.withLock { models in
      defer { models = [:] }
      return Array(models.values)
    }
  }

  func interrupt(model: UInt32, ticket: UInt64) { models.withLock { $0[model] }?.interrupt(ticketID: ticket) }

  // MARK: Threads

  /// Starts the first thread; a further one whenever a run is taken and nobody is left for the next.
  func start() { enlist() }

  private func enlist() {
    threads.withLock { threads in
      guard threads < Self.threadLimit else { return }
      reserve.wrappingAdd(1, ordering: .relaxed)
      var handle = pthread_t()
      let code = pthread_create(
        &handle, nil,
        { argument in
          linux_name_thread("run")
          linux_prefer_short_slices()
          Unmanaged<RunWorkers>.fromOpaque(argument!).takeRetainedValue().work()
          return nil
        }, Unmanaged.passRetained(self).toOpaque())
      guard code == 0 else {
        // The present threads go on; without any, the host sees that nothing is answered.
        reserve.wrappingSubtract(1, ordering: .relaxed)
        return Unmanaged.passUnretained(self).release()
      }
      pthread_detach(handle)
      threads += 1
    }
  }

  private func work() {
    let desk = RunDesk(base: base, arenaBytes: arenaBytes)
    reserve.wrappingSubtract(1, ordering: .relaxed)
    var leads = false
    var lastRun: UInt64 = 0
    while true {
      if let offset = next() {
        if leads { stepDown() }
        // While the leader was looking the host called nobody for what came with this.
        if !isEmpty { RingWords.call(ring) }
        let run = (base + Int(offset)).assumingMemoryBound(to: shared_run.self)
        // Leads again before the host hears of the end: on one core its next run may be there before this thread is on.
        desk.serve(run) { number in
          models.withLock { $0[number] }
        } beforeTheEnd: {
          leads = lead()
        }
        if spinNs > 0 { lastRun = linux_now_ns() }
      } else if leads || lead() {
        leads = true
        if spinNs > 0 && linux_now_ns() - lastRun < spinNs && habit.pays { habit.note(found: look()) }
        sleep()
      } else {
        waitInReserve()
      }
    }
  }

  /// Takes the next run from the ring, and sees to it that somebody is left to take the one after.
  private func next() -> UInt64? {
    while true {
      let at = head.load(ordering: .acquiring)
      if at == shared_load(RingWords.tail(ring)) { return nil }
      let offset = RingWords.entries(ring)[Int(at) % Int(SHARED_RING_ENTRIES)]
      guard head.compareExchange(expected: at, desired: at &+ 1, ordering: .acquiringAndReleasing).exchanged else {
        continue
      }
      if reserve.load(ordering: .relaxed) == 0 { enlist() }
      return offset
    }
  }

  private var isEmpty: Bool { head.load(ordering: .acquiring) == shared_load(RingWords.tail(ring)) }

  // MARK: Leading

  /// - Returns: False if another thread leads.
  private func lead() -> Bool {
    guard hasLeader.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged else {
      return false
    }
    shared_store(RingWords.leader(ring), UInt32(SHARED_LEADER_LOOKING))
    shared_fence()
    return true
  }

  private func stepDown() {
    shared_store(RingWords.leader(ring), UInt32(SHARED_LEADER_BUSY))
    hasLeader.store(false, ordering: .releasing)
    // Before the ring is looked at again: the host either calls somebody, or has announced what will be found there.
    shared_fence()
  }

  /// Sleeps until the host wakes the leader; not at all if there is something to do. May return early.
  private func sleep() {
    guard isEmpty else { return }
    shared_store(RingWords.leader(ring), UInt32(SHARED_LEADER_ASLEEP))
    shared_fence()
    let seen = head.load(ordering: .acquiring)
    if seen == shared_load(RingWords.tail(ring)) { shared_wait(RingWords.tail(ring), seen, 0) }
  }

  /// Looks for the next run, for as long as the last pause may well have been.
  private func look() -> Bool {
    let began = linux_now_ns()
    repeat {
      for _ in 0..<32 {
        if !isEmpty { return true }
        shared_pause()
      }
      // The host may wait for this very core.
      sched_yield()
    } while linux_now_ns() - began < spinNs
    return false
  }

  private func waitInReserve() {
    let calls = RingWords.calls(ring)
    let seen = shared_load(calls)
    reserve.wrappingAdd(1, ordering: .sequentiallyConsistent)
    // Who led may have begun a run meanwhile, and what came since would wait for its end.
    if isEmpty && hasLeader.load(ordering: .sequentiallyConsistent) { shared_wait(calls, seen, 0) }
    reserve.wrappingSubtract(1, ordering: .relaxed)
  }
}
