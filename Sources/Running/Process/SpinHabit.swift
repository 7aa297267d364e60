import Synchronization

/// Whether it pays to spin before sleeping: as long as spins find what they look for; after misses, only now and then.
///
/// On a busy machine a spin takes the core from whoever is looked for. Any thread; races cost a spin at most.
package struct SpinHabit: ~Copyable, Sendable {
  /// Waits to sleep through before the next try.
  private let rest = Atomic<Int>(0)
  /// Misses in a row.
  private let misses = Atomic<Int>(0)

  /// After that many misses in a row, every 64th wait spins.
  private static let mostMisses = 6

  package init() {}

  @inline(__always)
  package var pays: Bool {
    let left = rest.load(ordering: .relaxed)
    if left == 0 { return true }
    rest.store(left - 1, ordering: .relaxed)
    return false
  }

  /// - Parameter found: What the spin was for came while it lasted.
  @inline(__always)
  package func note(found: Bool) {
    if found {
      if misses.load(ordering: .relaxed) != 0 { misses.store(0, ordering: .relaxed) }
      return
    }
    let count = min(misses.load(ordering: .relaxed) + 1, Self.mostMisses)
    misses.store(count, ordering: .relaxed)
    rest.store(1 << count, ordering: .relaxed)
  }
}
