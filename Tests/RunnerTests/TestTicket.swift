import CStadionRunner
import Foundation
import Synchronization

/// A ticket, and the quota of the tenant behind it.
final class TestTicket: Sendable {
  static let lastID = Atomic<UInt64>(0)

  let id: UInt64
  let cancelled = Atomic(false)
  /// Signalled each time the runner asks whether it is cancelled.
  let asked = DispatchSemaphore(value: 0)
  /// Bytes that `allocate` may still hand out.
  let quota: Atomic<Int>
  /// Buffers that were allocated and not released.
  let buffersOut = Atomic(0)
  let buffersMade = Atomic(0)
  private let deadlineNanoseconds: UInt64

  init(quota: Int = .max, deadlineNanoseconds: UInt64 = 0) {
    id = Self.lastID.add(1, ordering: .relaxed).newValue
    self.quota = Atomic(quota)
    self.deadlineNanoseconds = deadlineNanoseconds
  }

  var madeCount: Int { buffersMade.load(ordering: .relaxed) }
  var keptCount: Int { buffersOut.load(ordering: .relaxed) }

  func cancel() { cancelled.store(true, ordering: .sequentiallyConsistent) }

  func withRaw<Result>(_ body: (UnsafePointer<stadion_ticket>) -> Result) -> Result {
    var raw = stadion_ticket()
    raw.struct_size = UInt32(MemoryLayout<stadion_ticket>.size)
    raw.id = id
    raw.deadline_ns = deadlineNanoseconds
    raw.context = Unmanaged.passUnretained(self).toOpaque()
    raw.is_cancelled = { ticket in
      let ticket = TestTicket.of(ticket!)
      ticket.asked.signal()
      return ticket.cancelled.load(ordering: .sequentiallyConsistent)
    }
    return withUnsafePointer(to: raw, body)
  }

  static func of(_ raw: UnsafePointer<stadion_ticket>) -> TestTicket {
    Unmanaged<TestTicket>.fromOpaque(raw.pointee.context!).takeUnretainedValue()
  }
}
