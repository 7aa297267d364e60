import RunnerKit
import Synchronization

/// The slots of one model: as many as were ever busy at once.
final class RunSlots: Sendable {
  private let all = Mutex<[RunSlot]>([])

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
    all.withLock { _ in
      // The engine's flag is sticky: the next run would end at once.
      if slot.isTerminated, let status = slot.api.unsetTerminate(slot.runOptions) { slot.api.releaseStatus(status) }
      slot.isTerminated = false
      slot.ticket = nil
    }
  }

  /// Ends the run with this ticket if there is one. Holds the lock meanwhile, so the slot can't change hands. [any]
  func terminate(ticket: UInt64) {
    all.withLock { slots in
      for slot in slots where slot.ticket == ticket {
        slot.isTerminated = true
        if let status = slot.api.setTerminate(slot.runOptions) { slot.api.releaseStatus(status) }
      }
    }
  }

  func wasTerminated(_ slot: RunSlot) -> Bool { all.withLock { _ in slot.isTerminated } }

  /// Lets the slots go; no run is in flight.
  func removeAll() { all.withLock { $0 = [] } }
}
