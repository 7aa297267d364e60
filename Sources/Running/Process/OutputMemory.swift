package import CRunning
import CStadionRunner
import Synchronization

/// The memory that the host has given one run for its outputs, as the runner's process uses it.
///
/// Lies in the shared arena, so that what is written there needs no copy. Any thread.
package final class OutputMemory: TensorSource, @unchecked Sendable {
  // @unchecked: `base` is set once, `run` only between runs; what changes is in `room`.
  private let base: UnsafeMutableRawPointer
  private var run: UnsafeMutablePointer<shared_run>?

  private struct Room: ~Copyable {
    var next = 0
    var end = 0
    var isSpent = false
  }
  private let room = Mutex(Room())

  /// - Parameter base: Of the arena in this process.
  package init(base: UnsafeMutableRawPointer) { self.base = base }

  package func begin(_ run: UnsafeMutablePointer<shared_run>) {
    self.run = run
    room.withLock { room in
      room = Room(next: Int(run.pointee.given_offset), end: Int(run.pointee.given_offset + run.pointee.given_bytes))
    }
  }

  /// From here on nothing is written any more, whatever the runner asks for.
  package func end() { room.withLock { $0 = Room(isSpent: true) } }

  package func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    room.withLock { room in
      if room.isSpent { return nil }
      let rounded = (byteCount + 63) & ~63
      if rounded > room.end - room.next, !ask(for: rounded, &room) { return nil }
      defer { room.next += rounded }
      return base + room.next
    }
  }

  package func give(_ start: UnsafeMutableRawPointer, _ byteCount: Int) {}

  /// Asks the host, which waits for this run anyway.
  private func ask(for byteCount: Int, _ room: inout Room) -> Bool {
    guard let run else { return false }
    let state = UnsafeMutableRawPointer(run).assumingMemoryBound(to: UInt32.self)
    run.pointee.needed_bytes = UInt64(byteCount)
    shared_tell(state, UInt32(SHARED_RUN_NEEDS))
    while shared_load(state) == UInt32(SHARED_RUN_NEEDS) { shared_wait(state, UInt32(SHARED_RUN_NEEDS), 0) }
    guard run.pointee.given_bytes >= UInt64(byteCount) else { return false }
    room.next = Int(run.pointee.given_offset)
    room.end = room.next + Int(run.pointee.given_bytes)
    return true
  }

  /// A buffer of the contract over such memory; nil without any. Its release gives back nothing but its own record.
  func allocateBuffer(_ byteCount: Int) -> UnsafeMutablePointer<stadion_buffer>? {
    guard byteCount >= 0, byteCount <= 1 << 46, let memory = take(max(byteCount, 1)) else { return nil }
    let buffer = UnsafeMutablePointer<stadion_buffer>.allocate(capacity: 1)
    buffer.initialize(
      to: stadion_buffer(
        struct_size: UInt32(MemoryLayout<stadion_buffer>.size), reserved: 0, data: memory,
        byte_size: UInt64(byteCount), context: nil, release: { $0?.deallocate() }))
    return buffer
  }
}
