import CLinux
import CRunning
import CStadionRunner
import Synchronization

/// One request's claim on a run: its deadline and whether it is still wanted.
///
/// The object is used again for the next request under a new id, so whoever cancels later must name the id it means.
/// `cancel` and the runner's `is_cancelled`: any thread. `renew`: the task that owns the request.
package final class Ticket: @unchecked Sendable {
  // @unchecked: `pointer` is only written in `renew`, while no run is under way.

  package enum Cancellation: UInt64, Sendable { case caller = 1, deadline = 2 }

  private static let lastID = Atomic<UInt64>(0)

  let pointer: UnsafeMutablePointer<stadion_ticket>
  /// In a runner's process: where the host says that nobody wants the answer any more, and the host's memory for it.
  package var remoteCancel: UnsafePointer<UInt32>?
  package var outputs: OutputMemory?
  /// The id times 4, plus why it is cancelled.
  private let state = Atomic<UInt64>(0)

  init() {
    pointer = .allocate(capacity: 1)
    pointer.initialize(
      to: stadion_ticket(
        struct_size: UInt32(MemoryLayout<stadion_ticket>.size), reserved: 0, id: 0, deadline_ns: 0, context: nil,
        is_cancelled: { ticket in
          guard let ticket, let context = ticket.pointee.context else { return false }
          return Unmanaged<Ticket>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.isCancelled }
        }))
    pointer.pointee.context = Unmanaged.passUnretained(self).toOpaque()
  }

  /// The object behind what a runner was given.
  static func of(_ ticket: UnsafePointer<stadion_ticket>?) -> Ticket? {
    ticket?.pointee.context.map { Unmanaged<Ticket>.fromOpaque($0).takeUnretainedValue() }
  }

  deinit { pointer.deallocate() }

  package var id: UInt64 { pointer.pointee.id }
  package var deadlineNs: UInt64 { pointer.pointee.deadline_ns }

  /// An id that no other ticket of this process has or will have.
  package static func newID() -> UInt64 { lastID.wrappingAdd(1, ordering: .relaxed).newValue }

  /// Starts over under a new id.
  ///
  /// - Parameter deadlineNs: CLOCK_MONOTONIC; 0 = none.
  package func renew(deadlineNs: UInt64) {
    renew(id: Self.newID(), deadlineNs: deadlineNs)
  }

  /// Starts over under an id that the host has given.
  package func renew(id: UInt64, deadlineNs: UInt64) {
    pointer.pointee.id = id
    pointer.pointee.deadline_ns = deadlineNs
    state.store(id << 2, ordering: .releasing)
  }

  /// Why it is cancelled; nil while it is wanted.
  package var cancellation: Cancellation? {
    if let reason = Cancellation(rawValue: state.load(ordering: .acquiring) & 3) { return reason }
    if let remoteCancel, shared_load(remoteCancel) != 0 { return .caller }
    return deadlineNs != 0 && linux_now_ns() >= deadlineNs ? .deadline : nil
  }

  package var isCancelled: Bool { cancellation != nil }

  /// Cancels the request that holds `id`; does nothing once that has ended.
  @discardableResult
  package func cancel(id: UInt64, _ reason: Cancellation) -> Bool {
    state.compareExchange(
      expected: id << 2, desired: id << 2 | reason.rawValue, ordering: .acquiringAndReleasing
    ).exchanged
  }
}
