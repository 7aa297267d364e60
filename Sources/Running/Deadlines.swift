import CLinux
import Glibc
import Synchronization

/// A thread that acts when deadlines pass, for runs that nobody polls for.
///
/// Short runs on the event loop never come here. Any thread may call.
package final class Deadlines: Sendable {
  private struct Entry {
    let id: UInt64
    let deadlineNs: UInt64
    let action: @Sendable () -> Void
  }
  private struct State: ~Copyable {
    var entries: [Entry] = []
    var hasThread = false
  }

  package static let shared = Deadlines()

  private let state = Mutex(State())
  private let wakeUp = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))

  /// Calls `action` on the deadlines' thread once CLOCK_MONOTONIC reaches `deadlineNs`, unless `remove` comes first.
  ///
  /// - Parameter id: The ticket's.
  package func add(id: UInt64, deadlineNs: UInt64, _ action: @escaping @Sendable () -> Void) {
    let starts = state.withLock { state in
      state.entries.append(Entry(id: id, deadlineNs: deadlineNs, action: action))
      defer { state.hasThread = true }
      return !state.hasThread
    }
    if starts { start() } else { wake() }
  }

  package func remove(id: UInt64) {
    state.withLock { state in state.entries.removeAll { $0.id == id } }
  }

  private func wake() {
    var one: UInt64 = 1
    write(wakeUp, &one, 8)
  }

  private func start() {
    var handle = pthread_t()
    pthread_create(
      &handle, nil,
      { _ in
        linux_name_thread("deadlines")
        Deadlines.shared.run()
        return nil
      }, nil)
    pthread_detach(handle)
  }

  private func run() {
    while true {
      let now = linux_now_ns()
      let (due, next) = state.withLock { state -> ([Entry], UInt64?) in
        let due = state.entries.filter { $0.deadlineNs <= now }
        if !due.isEmpty { state.entries.removeAll { $0.deadlineNs <= now } }
        return (due, state.entries.map(\.deadlineNs).min())
      }
      for entry in due { entry.action() }
      // A millisecond late at most; without entries it sleeps until one comes.
      let pause = next.map { CInt(clamping: ($0 - min(now, $0)) / 1_000_000 + 1) } ?? -1
      var poll = pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)
      Glibc.poll(&poll, 1, pause)
      var drained: UInt64 = 0
      read(wakeUp, &drained, 8)
    }
  }
}
