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
  private let models = Mutex<[UInt32: LocalModel]>([:])
  /// Runs ever taken from the ring.
  private let head = Atomic<UInt32>(0)

  private struct Crew: ~Copyable {
    var threads = 0
    var sleeping = 0
    var isSpinning = false
  }
  private let crew = Mutex(Crew())

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

  /// Starts the first thread; each further one is started when all are busy.
  func start() { crew.withLock { enlist(&$0) } }

  private func enlist(_ crew: inout Crew) {
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        linux_name_thread("run")
        Unmanaged<RunWorkers>.fromOpaque(argument!).takeRetainedValue().work()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    // Without a further thread the present ones go on; without any, the host sees that nothing is answered.
    guard code == 0 else { return Unmanaged.passUnretained(self).release() }
    pthread_detach(handle)
    crew.threads += 1
  }

  private func work() {
    let desk = RunDesk(base: base, arenaBytes: arenaBytes)
    var lastRun: UInt64 = 0
    while true {
      if let offset = next() {
        let run = (base + Int(offset)).assumingMemoryBound(to: shared_run.self)
        desk.serve(run, models.withLock { $0[run.pointee.model] })
        if spinNs > 0 { lastRun = linux_now_ns() }
      } else if spinNs == 0 || linux_now_ns() - lastRun > spinNs || !spin() {
        sleep()
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
      crew.withLock { crew in
        if crew.sleeping == 0 && !crew.isSpinning && crew.threads < Self.threadLimit { enlist(&crew) }
      }
      // While one was spinning the host woke nobody for what came with this.
      if at &+ 1 != shared_load(RingWords.tail(ring)) { shared_wake(RingWords.tail(ring), 1) }
      return offset
    }
  }

  private var isEmpty: Bool { head.load(ordering: .acquiring) == shared_load(RingWords.tail(ring)) }

  /// Looks for the next run for as long as the last pause was short. One thread at a time.
  ///
  /// - Returns: False when nothing came, or another one is looking already.
  private func spin() -> Bool {
    let isFirst = crew.withLock { crew in
      if crew.isSpinning { return false }
      crew.isSpinning = true
      tell(crew)
      return true
    }
    guard isFirst else { return false }
    let began = linux_now_ns()
    var found = false
    repeat {
      for _ in 0..<32 where !found {
        found = !isEmpty
        shared_pause()
      }
    } while !found && linux_now_ns() - began < spinNs
    crew.withLock { crew in
      crew.isSpinning = false
      tell(crew)
    }
    return found
  }

  private func sleep() {
    let seen = head.load(ordering: .acquiring)
    crew.withLock { crew in
      crew.sleeping += 1
      tell(crew)
    }
    shared_fence()
    if seen == shared_load(RingWords.tail(ring)) { shared_wait(RingWords.tail(ring), seen, 0) }
    crew.withLock { crew in
      crew.sleeping -= 1
      tell(crew)
    }
  }

  /// Tells the host whether it must wake somebody.
  private func tell(_ crew: borrowing Crew) {
    shared_store(RingWords.sleepers(ring), crew.isSpinning ? 0 : UInt32(crew.sleeping))
  }
}
