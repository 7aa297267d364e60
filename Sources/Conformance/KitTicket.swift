import CStadionRunner
import Synchronization

/// A ticket that the kit cancels when it likes. Lives as long as the process: a late look at it is no crash of the kit.
final class KitTicket: Sendable {
  private static let nextID = Atomic<UInt64>(1)
  private let cancelled = Atomic<Bool>(false)
  private let looks = Atomic<Int>(0)
  nonisolated(unsafe) let pointer: UnsafeMutablePointer<stadion_ticket>  // written in init only

  init(deadlineNs: UInt64 = 0) {
    pointer = .allocate(capacity: 1)
    let id = Self.nextID.add(1, ordering: .relaxed).oldValue
    pointer.initialize(
      to: stadion_ticket(
        struct_size: UInt32(MemoryLayout<stadion_ticket>.size), reserved: 0, id: id, deadline_ns: deadlineNs,
        context: nil,
        is_cancelled: { ticket in
          guard let context = ticket?.pointee.context else { return true }
          return Unmanaged<KitTicket>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.look() }
        }))
    pointer.pointee.context = Unmanaged.passRetained(self).toOpaque()
  }

  var id: UInt64 { pointer.pointee.id }
  var isCancelled: Bool { cancelled.load(ordering: .acquiring) }
  /// How often the runner has asked.
  var lookCount: Int { looks.load(ordering: .relaxed) }
  func cancel() { cancelled.store(true, ordering: .releasing) }

  private func look() -> Bool {
    looks.add(1, ordering: .relaxed)
    return isCancelled
  }
}
