import CLinux
import Glibc
import Synchronization
import Telemetry

/// A thread that acts when deadlines pass, for runs that nobody polls for.
///
/// Short runs on the event loop never come here. Any thread may call.
package final class Deadlines: Sendable {
  private struct State: ~Copyable {
    var queue = DeadlineQueue()
    var hasThread = false
    /// When the thread looks next; an earlier deadline wakes it. 0 while it is awake.
    var looksAtNs: UInt64 = 0
  }

  package static let shared = Deadlines()

  private let state = Mutex(State())
  private let wakeUp = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))

  /// Calls `action` on the deadlines' thread once CLOCK_MONOTONIC reaches `deadlineNs`, unless `remove` comes first.
  ///
  /// - Parameter id: The ticket's.
  package func add(id: UInt64, deadlineNs: UInt64, _ action: @escaping @Sendable () -> Void) {
    let (starts, wakes) = state.withLock { state in
      state.queue.add(id: id, deadlineNs: deadlineNs, action)
      defer { state.hasThread = true }
      return (!state.hasThread, deadlineNs < state.looksAtNs)
    }
    if starts { start() } else if wakes { wake() }
  }

  package func remove(id: UInt64) {
    state.withLock { state in state.queue.remove(id: id) }
  }

  private func wake() {
    var one: UInt64 = 1
    write(wakeUp, &one, 8)
  }

  private func start() {
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { _ in
        linux_name_thread("deadlines")
        Deadlines.shared.run()
        return nil
      }, nil)
    if code == 0 {
      pthread_detach(handle)
    } else {
      // The next deadline tries again; until then runs end when they like.
      state.withLock { $0.hasThread = false }
      Log.warning("can't watch deadlines; raise the process limit", ("reason", String(cString: strerror(code))))
    }
  }

  private func run() {
    while true {
      let now = linux_now_ns()
      let (due, next) = state.withLock { state in
        let due = state.queue.takeDue(now)
        state.looksAtNs = due.isEmpty ? state.queue.nextNs ?? .max : 0
        return (due, state.queue.nextNs)
      }
      for action in due { action() }
      // Looks again before it sleeps: the actions have taken time, and nobody has woken it.
      guard due.isEmpty else { continue }
      // A millisecond late at most; without entries it sleeps until one comes.
      let pause = next.map { CInt(clamping: ($0 - min(now, $0)) / 1_000_000 + 1) } ?? -1
      var poll = pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)
      Glibc.poll(&poll, 1, pause)
      var drained: UInt64 = 0
      read(wakeUp, &drained, 8)
    }
  }
}
