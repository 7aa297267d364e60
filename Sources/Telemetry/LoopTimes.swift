import Synchronization

/// How long an event loop was busy between two polls, which is the longest that a ready socket waited for it.
///
/// Written by its loop alone, so that adding needs no locked instruction; read by any thread.
package final class LoopTimes: @unchecked Sendable {
  // @unchecked: the cells are atomic.
  private let cells: UnsafeMutablePointer<Atomic<UInt64>>
  private static let bucketCount = TimeScale.coarse.count + 1

  package init() {
    cells = .allocate(capacity: Self.bucketCount + 1)
    for index in 0...Self.bucketCount { (cells + index).initialize(to: Atomic(0)) }
  }

  deinit {
    cells.deinitialize(count: Self.bucketCount + 1)
    cells.deallocate()
  }

  /// On the loop's thread.
  @inline(__always)
  package func add(_ nanoseconds: UInt64) {
    add(TimeScale.coarseIndex.of(nanoseconds), 1)
    add(Self.bucketCount, nanoseconds)
  }

  @inline(__always)
  private func add(_ cell: Int, _ amount: UInt64) {
    cells[cell].store(cells[cell].load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  package var counts: [UInt64] { (0..<Self.bucketCount).map { cells[$0].load(ordering: .relaxed) } }
  package var busyNs: UInt64 { cells[Self.bucketCount].load(ordering: .relaxed) }
}
