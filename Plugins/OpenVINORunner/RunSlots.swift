import COpenVINO
import RunnerKit
import Synchronization

/// The slots of one model: as many as were ever busy at once.
final class RunSlots: Sendable {
  private let all = Mutex<[RunSlot]>([])
  /// False for models that keep state in their request: the next run starts with a new one.
  private let keepsSlots: Bool

  init(keepsSlots: Bool) { self.keepsSlots = keepsSlots }

  /// A slot for the run with this ticket; it goes back with `release`.
  func claim(ticket: UInt64, orMake make: () throws(RunnerError) -> RunSlot) throws(RunnerError) -> RunSlot {
    let free = all.withLock { slots -> RunSlot? in
      for slot in slots where slot.ticket == nil {
        slot.ticket = ticket
        return slot
      }
      return nil
    }
    if let free { return free }
    let slot = try make()
    slot.ticket = ticket
    all.withLock { $0.append(slot) }
    return slot
  }

  func release(_ slot: RunSlot) {
    slot.clear()
    all.withLock { slots in
      slot.isCancelled = false
      slot.ticket = nil
      if !keepsSlots { slots.removeAll { $0 === slot } }
    }
  }

  /// Ends the run with this ticket if there is one. Holds the lock meanwhile, so the slot can't change hands. [any]
  func cancel(ticket: UInt64) {
    all.withLock { slots in
      for slot in slots where slot.ticket == ticket {
        slot.isCancelled = true
        _ = slot.api.infer_request_cancel(slot.request)
      }
    }
  }

  func wasCancelled(_ slot: RunSlot) -> Bool { all.withLock { _ in slot.isCancelled } }

  /// Lets the slots go; no run is in flight.
  func removeAll() { all.withLock { $0 = [] } }
}
