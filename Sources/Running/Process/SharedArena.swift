import CLinux
import CRunning
import Glibc
import Inference
import Synchronization

/// The memory that the host shares with one runner process: the ring at its start, then runs and tensors.
///
/// Only the host hands out ranges, and it keeps the books in memory of its own. The file is sealed, so that the child can
/// neither shrink nor grow it. Any thread.
package final class SharedArena: TensorSource, @unchecked Sendable {
  // @unchecked: the pointers are set once; `space` is guarded by its lock.
  let base: UnsafeMutableRawPointer
  let byteCount: Int
  let descriptor: CInt
  private let space: Mutex<ArenaSpace>
  private let bodyBytes = Atomic<Int>(0)
  /// Its process has ended: whoever keeps it for later need not.
  let isOver = Atomic<Bool>(false)

  /// Address space, not memory: pages come when they are touched.
  package static let standardBytes = 4 << 30
  /// Idle pages that are kept for reuse.
  private static let warmBytes = 128 << 20
  static let ringBytes = (MemoryLayout<shared_ring>.size + ArenaSpace.smallest - 1) & ~(ArenaSpace.smallest - 1)

  /// - Parameter byteCount: Of tensors and runs together, at most; a multiple of 16 KB.
  init(byteCount: Int = standardBytes) throws(HostError) {
    func failure(_ what: String) -> HostError {
      HostError(.overloaded, "\(what) for a runner process: \(String(cString: strerror(errno)))")
    }
    descriptor = linux_memory_file("stadion-arena", UInt64(byteCount))
    guard descriptor >= 0 else { throw failure("no memory to share") }
    guard let base = Self.map(descriptor, byteCount) else {
      close(descriptor)
      throw failure("no address space")
    }
    self.base = base
    self.byteCount = byteCount
    let byteCount = byteCount / ArenaSpace.smallest * ArenaSpace.smallest
    space = Mutex(ArenaSpace(Self.ringBytes..<byteCount, warmLimit: Self.warmBytes))
  }

  deinit {
    munmap(base, byteCount)
    close(descriptor)
  }

  /// Of its address: pages that lie together in memory can be one entry for the processor, or one large page, only where
  /// both addresses allow it.
  private static let alignment = 2 << 20

  /// Maps an arena that was handed over as `descriptor`; nil without address space.
  package static func map(_ descriptor: CInt, _ byteCount: Int) -> UnsafeMutableRawPointer? {
    let spare = CInt(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
    guard let room = mmap(nil, byteCount + alignment, PROT_NONE, spare, -1, 0), room != MAP_FAILED else { return nil }
    let start = room.alignedUp(toMultipleOf: alignment)
    let shared = CInt(MAP_SHARED | MAP_NORESERVE | MAP_FIXED)
    let memory = mmap(start, byteCount, PROT_READ | PROT_WRITE, shared, descriptor, 0)
    if room < start { munmap(room, start - room) }
    if memory == MAP_FAILED { munmap(start, byteCount) }
    let end = start + byteCount
    munmap(end, room + byteCount + alignment - end)
    return memory == MAP_FAILED ? nil : memory
  }

  var ring: UnsafeMutablePointer<shared_ring> { base.assumingMemoryBound(to: shared_ring.self) }

  /// Bytes that requests hold now.
  package var usedBytes: Int { space.withLock { $0.usedBytes } }

  @inline(__always)
  package func contains(_ start: UnsafeRawPointer, _ byteCount: Int) -> Bool {
    let offset = Int(bitPattern: start) &- Int(bitPattern: base)
    return offset >= 0 && offset <= self.byteCount && byteCount <= self.byteCount - offset
  }

  // MARK: Ranges

  package func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    guard byteCount <= self.byteCount else { return nil }
    if let offset = space.withLock({ $0.take(byteCount) }) { return base + offset }
    // Warm ranges of other sizes may lie where this one would fit.
    trim()
    return space.withLock { $0.take(byteCount) }.map { base + $0 }
  }

  package func give(_ start: UnsafeMutableRawPointer, _ byteCount: Int) {
    let offset = start - base
    if space.withLock({ $0.give(warm: offset, byteCount) }) { return }
    giveBack(offset..<offset + ArenaSpace.size(for: byteCount))
  }

  /// Gives the pages of all idle ranges back to the system.
  package func trim() {
    for range in space.withLock({ $0.takeWarm() }) { giveBack(range) }
  }

  private func giveBack(_ range: Range<Int>) {
    // Before the range can be anybody's again: its next owner's bytes would go, too.
    madvise(base + range.lowerBound, range.count, CInt(MADV_REMOVE))
    space.withLock { $0.give(cold: range) }
  }

  // MARK: Bodies

  /// Takes memory for a body of which nothing has come yet: such bodies together get half of the arena at most, so that
  /// lengths alone keep nobody out.
  package func takeForBody(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let size = ArenaSpace.size(for: byteCount)
    let taken = bodyBytes.wrappingAdd(size, ordering: .relaxed).newValue
    if taken <= self.byteCount / 2, let start = take(byteCount) { return start }
    bodyBytes.wrappingSubtract(size, ordering: .relaxed)
    return nil
  }

  package func giveBody(_ start: UnsafeMutableRawPointer, _ byteCount: Int) {
    bodyBytes.wrappingSubtract(ArenaSpace.size(for: byteCount), ordering: .relaxed)
    give(start, byteCount)
  }
}
