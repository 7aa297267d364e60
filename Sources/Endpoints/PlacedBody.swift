import Running
import Serving

/// A body in the memory that its model's runner reads it from.
final class PlacedBody: BodyMemory {
  let start: UnsafeMutableRawPointer
  let byteCount: Int
  private let arena: SharedArena

  /// Nil when the arena has no room; the body then takes another way.
  init?(in arena: SharedArena, byteCount: Int) {
    guard byteCount > 0, let start = arena.takeForBody(byteCount) else { return nil }
    self.arena = arena
    self.start = start
    self.byteCount = byteCount
  }

  deinit { arena.giveBody(start, byteCount) }
}
