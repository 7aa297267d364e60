package import Inference
import Glibc
import Synchronization

/// How long one operation on a store may take, and whether anybody still wants it.
package final class StorageCall: Sendable {
  package let deadline: ContinuousClock.Instant?
  private let wasCancelled = Atomic<Bool>(false)

  package init(deadline: ContinuousClock.Instant? = nil) { self.deadline = deadline }

  /// From any thread. The operation throws `.cancelled` soon; within a second while it waits for a server.
  package func cancel() { wasCancelled.store(true, ordering: .relaxed) }

  package var isCancelled: Bool { wasCancelled.load(ordering: .relaxed) }
  var isTooLate: Bool { deadline.map { ContinuousClock.now >= $0 } ?? false }

  package func check(_ what: @autoclosure () -> String) throws(HostError) {
    if isCancelled { throw HostError(.cancelled, "\(what()): cancelled") }
    if isTooLate { throw HostError(.deadlineExceeded, "\(what()): the deadline has passed") }
  }

  /// Waits; ends early, by throwing, when nobody wants the operation any more or it would end too late.
  func pause(for duration: Duration, _ what: @autoclosure () -> String) throws(HostError) {
    let end = ContinuousClock.now + duration
    if let deadline, end >= deadline {
      throw HostError(.deadlineExceeded, "\(what()): another try would come after the deadline")
    }
    while case let left = end - .now, left > .zero {
      try check(what())
      // Short, so that a cancelled caller doesn't wait for it.
      usleep(UInt32(min(left, .milliseconds(20)) / .microseconds(1)))
    }
  }
}
