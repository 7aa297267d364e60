import CLinux
import CRunning
import Glibc
import Synchronization
import Threads

/// Where one event loop waits for the runs of one process: the process rings, and the loop looks whose run has news.
///
/// The descriptor is an eventfd that both have, with one set of flags. The process may fill it, or have it block; so the
/// host neither reads nor writes it, and watches it for edges: each ring is one.
final class RunBell: EventTarget, @unchecked Sendable {
  // @unchecked: `waits`, `rings` and `isArmed` are only touched on the loop's thread, `process` is set once before that;
  // what changes is in `state`.
  let descriptor: CInt
  /// The state of a run that waits here.
  let waiting: UInt32
  weak var process: RunnerProcess?

  private struct Waiter: @unchecked Sendable {
    // @unchecked: of what `state` points at, only this word is touched, which both sides share.
    /// Of its run; nil for one that waits for the process's end.
    let state: UnsafeMutablePointer<UInt32>?
    let continuation: UnsafeContinuation<Void, Never>
  }
  private struct State: ~Copyable {
    var waiters: [Waiter] = []
    var loop: (any TargetLoop)?
    /// The process has ended.
    var isOver = false
  }
  private let state = Mutex(State())

  /// Times that a run began to wait, each of which allows one ring.
  private var waits = 0
  private var rings = 0
  private var isArmed = false

  /// Rings that nothing has asked for; more are a fault. None is lawful: the process rings only for who waits.
  private static let idleRings = 64

  /// - Parameter place: The loop's. Nil without descriptors.
  init?(place: Int) {
    descriptor = eventfd(0, CInt(EFD_NONBLOCK | EFD_CLOEXEC))
    waiting = UInt32(SHARED_RUN_AT_BELL + place)
    super.init()
    if descriptor < 0 { return nil }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Has `loop`, whose thread this is, watch it.
  ///
  /// - Returns: False after the process's end, and where the system has no room for another watch.
  func hang(on loop: any TargetLoop) -> Bool {
    state.withLock { state in
      if state.isOver { return false }
      if state.loop === loop { return true }
      guard loop.watch(descriptor, EPOLLIN.rawValue | EPOLLET.rawValue, self) else {
        loop.unwatch(descriptor, self)
        return false
      }
      state.loop = loop
      isArmed = false
      return true
    }
  }

  // MARK: Waiting, on the loop's thread

  /// Suspends the caller until a run's state, which it has set to `waiting`, is another. May return early.
  func wait(for run: UnsafeMutablePointer<UInt32>) async {
    waits += 1
    await wait(run)
  }

  /// Suspends the caller until the process has ended.
  func awaitEnd() async { await wait(nil) }

  private func wait(_ run: UnsafeMutablePointer<UInt32>?) async {
    await withUnsafeContinuation { continuation in
      let waiter = Waiter(state: run, continuation: continuation)
      let isLate = state.withLock { state in
        if state.isOver { return true }
        state.waiters.append(waiter)
        // A process that spoils its states may also forget to ring.
        if !isArmed { state.loop?.armedCount += 1 }
        isArmed = true
        return false
      }
      if isLate { continuation.resume() }
    }
  }

  override func ready(_ events: UInt32) {
    rings += 1
    look()
    if rings - waits > Self.idleRings { process?.charge("it rings when nobody waits") }
  }

  override func sweep(now: UInt64) {
    look()
    state.withLock { state in
      // After the end, `end` sees to it.
      guard isArmed, state.waiters.isEmpty, let loop = state.loop else { return }
      loop.armedCount -= 1
      isArmed = false
    }
  }

  private func look() { while let waiter = takeReady() { waiter.continuation.resume() } }

  private func takeReady() -> Waiter? {
    state.withLock { state in
      let index = state.waiters.firstIndex { $0.state.map { shared_load($0) != waiting } ?? false }
      guard let index else { return nil }
      state.waiters.swapAt(index, state.waiters.count - 1)
      return state.waiters.removeLast()
    }
  }

  // MARK: The end

  /// Resumes all that wait: the process has ended, and what there is to say of its runs has been written down. Any thread.
  func end() {
    let (waiters, loop) = state.withLock { state in
      state.isOver = true
      defer { state.waiters = [] }
      return (state.waiters, state.loop.take())
    }
    for waiter in waiters { waiter.continuation.resume() }
    guard let loop else { return }
    Task(executorPreference: loop) {
      if self.isArmed { loop.armedCount -= 1 }
      self.isArmed = false
      loop.unwatch(self.descriptor, self)
    }
  }
}
