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

  /// Wakes a thread for what has been pushed, if all of them sleep. Any thread.
  static func wake(_ ring: UnsafeMutablePointer<shared_ring>) {
    shared_fence()
    if shared_load(RingWords.sleepers(ring)) > 0 { shared_wake(RingWords.tail(ring), 1) }
  }
}

/// The words of a ring, whose struct Swift sees as a whole.
package enum RingWords {
  package static func tail(_ ring: UnsafeMutablePointer<shared_ring>) -> UnsafeMutablePointer<UInt32> {
    word(ring, MemoryLayout<shared_ring>.offset(of: \.tail)!)
  }
  package static func sleepers(_ ring: UnsafeMutablePointer<shared_ring>) -> UnsafeMutablePointer<UInt32> {
    word(ring, MemoryLayout<shared_ring>.offset(of: \.sleepers)!)
  }
  package static func entries(_ ring: UnsafeMutablePointer<shared_ring>) -> UnsafeMutablePointer<UInt64> {
    (UnsafeMutableRawPointer(ring) + 128).assumingMemoryBound(to: UInt64.self)
  }
  private static func word(_ ring: UnsafeMutablePointer<shared_ring>, _ offset: Int) -> UnsafeMutablePointer<UInt32> {
    (UnsafeMutableRawPointer(ring) + offset).assumingMemoryBound(to: UInt32.self)
  }
}
