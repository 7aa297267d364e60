package import CRunning
import Synchronization

/// Announces runs to a process. The host's side; guarded by its process's lock.
struct SubmissionRing {
  private let ring: UnsafeMutablePointer<shared_ring>
  private var tail: UInt32 = 0

  init(_ ring: UnsafeMutablePointer<shared_ring>) { self.ring = ring }

  /// - Precondition: Fewer than `SHARED_RING_ENTRIES` runs are with the process.
  mutating func push(_ offset: UInt64) {
    let entries = RingWords.entries(ring)
    entries[Int(tail) % Int(SHARED_RING_ENTRIES)] = offset
    tail &+= 1
    shared_store(RingWords.tail(ring), tail)
  }

  /// Wakes a thread for what has been pushed, unless one is looking. Any thread.
  static func wake(_ ring: UnsafeMutablePointer<shared_ring>) {
    shared_fence()
    switch Int(shared_load(RingWords.leader(ring))) {
    case SHARED_LEADER_ASLEEP: shared_wake(RingWords.tail(ring), 1)
    case SHARED_LEADER_LOOKING: break
    default: RingWords.call(ring)
    }
  }
}

/// The words of a ring, whose struct Swift sees as a whole.
package enum RingWords {
  package static func tail(_ ring: UnsafeMutablePointer<shared_ring>) -> UnsafeMutablePointer<UInt32> {
    word(ring, MemoryLayout<shared_ring>.offset(of: \.tail)!)
  }
  package static func leader(_ ring: UnsafeMutablePointer<shared_ring>) -> UnsafeMutablePointer<UInt32> {
    word(ring, MemoryLayout<shared_ring>.offset(of: \.leader)!)
  }
  package static func calls(_ ring: UnsafeMutablePointer<shared_ring>) -> UnsafeMutablePointer<UInt32> {
    word(ring, MemoryLayout<shared_ring>.offset(of: \.calls)!)
  }
  /// Wakes an idle thread that isn't the leader, if there is one.
  package static func call(_ ring: UnsafeMutablePointer<shared_ring>) {
    _ = shared_add(calls(ring), 1)
    shared_wake(calls(ring), 1)
  }
  package static func entries(_ ring: UnsafeMutablePointer<shared_ring>) -> UnsafeMutablePointer<UInt64> {
    (UnsafeMutableRawPointer(ring) + 192).assumingMemoryBound(to: UInt64.self)
  }
  private static func word(_ ring: UnsafeMutablePointer<shared_ring>, _ offset: Int) -> UnsafeMutablePointer<UInt32> {
    (UnsafeMutableRawPointer(ring) + offset).assumingMemoryBound(to: UInt32.self)
  }
}
