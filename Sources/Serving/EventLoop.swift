import CLinux
import Glibc
import Synchronization
package import Telemetry
package import Threads

/// One thread, one epoll, and the tasks that prefer it.
///
/// A connection's task runs on its loop; so do the default actors it calls while nobody else holds them: a request costs
/// no thread switch. Nothing that may block for long runs here.
package final class EventLoop: TargetLoop, @unchecked Sendable {
  // @unchecked: `inbox`, `isAsleep` and `isStopped` are synchronised; all else is only touched on the loop's own thread.
  package let place = LoopPlaces.take()
  private let epoll: CInt
  private let wakeUp: CInt
  private let inbox = Mutex<[UnownedJob]>([])
  /// Whether `inbox` holds anything, so that a loop that has nothing from elsewhere needs no lock.
  private let hasInbox = Atomic<Bool>(false)
  private let isAsleep = Atomic<Bool>(false)
  private let isStopped = Atomic<Bool>(false)
  private let thread = Atomic<UInt>(0)

  private var jobs: [UnownedJob] = []
  private var running: [UnownedJob] = []
  private var targets: [ObjectIdentifier: EventTarget] = [:]
  /// Closed during this batch of events, which may still name them.
  private var leaving: [EventTarget] = []
  private var nextSweep: UInt64 = 0
  private var lastSweep: UInt64 = 0

  /// CLOCK_MONOTONIC when the current batch of events arrived. Cheap, up to a batch old.
  private(set) var now: UInt64 = 0
  /// Targets that have a deadline; while there are none, the loop sleeps without a limit.
  package var armedCount = 0
  /// Between this sweep and the one before.
  private(set) var sweptNs: UInt64 = 0
  let newcomers = Newcomers()
  let exchanges = ExchangePool()
  /// How long it was busy each time that it woke.
  package let times = LoopTimes()

  /// Spins this long for the next event before it sleeps, if events have been arriving that fast; 0 = never.
  private let busyPollNs: UInt64
  private var isSpinningWorthIt = false

  private static let sweepIntervalNs: UInt64 = 250_000_000
  private static let batch = 256

  /// - Parameter busyPollMicros: Longest spin before sleeping, in microseconds; costs that much CPU per pause between
  ///   requests, and nothing once the pauses are longer than the spin.
  package init(busyPollMicros: Int) {
    epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
    wakeUp = eventfd(0, CInt(EFD_NONBLOCK | EFD_CLOEXEC))
    precondition(epoll >= 0 && wakeUp >= 0, "no file descriptors left for an event loop")
    busyPollNs = UInt64(busyPollMicros) * 1000
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: 0))
    epoll_ctl(epoll, EPOLL_CTL_ADD, wakeUp, &event)
  }

  deinit {
    close(epoll)
    close(wakeUp)
    LoopPlaces.give(place)
  }

  package var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isCurrent {
      jobs.append(job)
      return
    }
    inbox.withLock {
      $0.append(job)
      hasInbox.store(true, ordering: .sequentiallyConsistent)
    }
    if isAsleep.exchange(false, ordering: .sequentiallyConsistent) { wake() }
  }

  private func wake() {
    var one: UInt64 = 1
    write(wakeUp, &one, 8)
  }

  /// Starts the loop's thread.
  package func start(name: String) {
    let box = Unmanaged.passRetained(ThreadStart(loop: self, name: name))
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
        linux_name_thread(start.name)
        linux_prefer_short_slices()
        start.loop.run()
        return nil
      }, box.toOpaque())
    precondition(code == 0, "can't start a thread (\(code)); raise the process limit")
    pthread_detach(handle)
  }

  private final class ThreadStart {
    let loop: EventLoop
    let name: String

    init(loop: EventLoop, name: String) {
      self.loop = loop
      self.name = name
    }
  }

  /// Ends the loop's thread after the jobs at hand. Any thread.
  package func stop() {
    isStopped.store(true, ordering: .sequentiallyConsistent)
    wake()
  }

  private func run() {
    thread.store(UInt(pthread_self()), ordering: .relaxed)
    now = linux_now_ns()
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Self.batch)
    defer { events.deallocate() }
    while !isStopped.load(ordering: .relaxed) {
      runJobs()
      let idles = linux_now_ns()
      times.add(idles - now)
      let count = wait(events, since: idles)
      for index in 0..<Int(max(count, 0)) { dispatch(events[index]) }
      leaving.removeAll(keepingCapacity: true)
      if armedCount > 0 && now >= nextSweep { sweep() }
    }
    runJobs()
  }

  /// Runs what is queued, and what that queues in turn, a bounded number of rounds so that sockets get their turn.
  private func runJobs() {
    for _ in 0..<16 {
      takeInbox()
      if jobs.isEmpty { return }
      swap(&jobs, &running)
      for job in running { job.runSynchronously(on: asUnownedTaskExecutor()) }
      running.removeAll(keepingCapacity: true)
    }
  }

  private func takeInbox() {
    guard hasInbox.load(ordering: .sequentiallyConsistent) else { return }
    inbox.withLock { waiting in
      hasInbox.store(false, ordering: .relaxed)
      if jobs.isEmpty {
        swap(&waiting, &jobs)
      } else {
        jobs += waiting
        waiting.removeAll(keepingCapacity: true)
      }
    }
  }

  private func wait(_ events: UnsafeMutablePointer<epoll_event>, since began: UInt64) -> CInt {
    if !jobs.isEmpty { return poll(events, timeoutMs: 0) }
    if isSpinningWorthIt {
      repeat {
        let count = poll(events, timeoutMs: 0)
        if count != 0 { return count }
        takeInbox()
        if !jobs.isEmpty { return 0 }
      } while now - began < busyPollNs
      isSpinningWorthIt = false
    }
    isAsleep.store(true, ordering: .sequentiallyConsistent)
    takeInbox()
    if !jobs.isEmpty || isStopped.load(ordering: .relaxed) {
      isAsleep.store(false, ordering: .relaxed)
      return poll(events, timeoutMs: 0)
    }
    let count = poll(events, timeoutMs: armedCount > 0 ? CInt(Self.sweepIntervalNs / 1_000_000) : -1)
    isAsleep.store(false, ordering: .relaxed)
    // A sleep shorter than a few spins says that the next event will likely come during one.
    if busyPollNs > 0 { isSpinningWorthIt = now - began < busyPollNs * 4 }
    return count
  }

  private func poll(_ events: UnsafeMutablePointer<epoll_event>, timeoutMs: CInt) -> CInt {
    let count = epoll_wait(epoll, events, CInt(Self.batch), timeoutMs)
    now = linux_now_ns()
    return count
  }

  private func dispatch(_ event: epoll_event) {
    guard let pointer = UnsafeRawPointer(bitPattern: UInt(event.data.u64)) else {
      var drained: UInt64 = 0
      read(wakeUp, &drained, 8)
      return
    }
    Unmanaged<EventTarget>.fromOpaque(pointer)._withUnsafeGuaranteedRef { $0.ready(event.events) }
  }

  private func sweep() {
    sweptNs = now - lastSweep
    lastSweep = now
    nextSweep = now + Self.sweepIntervalNs
    for target in Array(targets.values) { target.sweep(now: now) }
    leaving.removeAll(keepingCapacity: true)
  }

  // MARK: Targets, on the loop's thread

  /// Watches `descriptor` for `target`, which the loop keeps until `forget`.
  ///
  /// - Returns: False if the system has no room for another watch; call `forget` then.
  @discardableResult
  package func watch(_ descriptor: CInt, _ events: UInt32, _ target: EventTarget) -> Bool {
    targets[ObjectIdentifier(target)] = target
    let pointer = UInt64(UInt(bitPattern: Unmanaged.passUnretained(target).toOpaque()))
    var event = epoll_event(events: events, data: epoll_data_t(u64: pointer))
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0
  }

  /// Changes what `descriptor` is watched for.
  func rewatch(_ descriptor: CInt, _ events: UInt32, _ target: EventTarget) {
    let pointer = UInt64(UInt(bitPattern: Unmanaged.passUnretained(target).toOpaque()))
    var event = epoll_event(events: events, data: epoll_data_t(u64: pointer))
    epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event)
  }

  /// Closes `descriptor`; `target` lives until the end of this batch of events.
  func forget(_ descriptor: CInt, _ target: EventTarget) {
    close(descriptor)
    leave(target)
  }

  /// The same for a `descriptor` that stays open.
  package func unwatch(_ descriptor: CInt, _ target: EventTarget) {
    var unused = epoll_event()
    epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &unused)
    leave(target)
  }

  private func leave(_ target: EventTarget) {
    if let known = targets.removeValue(forKey: ObjectIdentifier(target)) { leaving.append(known) }
  }

  func forEachTarget(_ body: (EventTarget) -> Void) { for target in Array(targets.values) { body(target) } }
}
