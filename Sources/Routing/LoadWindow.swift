/// How many models are brought up to date beside each other.
///
/// Each holds 50 KB while it waits for its runner; of thousands at once, what models keep would come to lie on as many
/// pages of memory as all that went. A model that takes long holds up no other: where fewer end in a moment than may be
/// under way, as many more begin.
actor LoadWindow {
  static let width = 64
  static let moment = Duration.milliseconds(100)

  private var free = width
  private var endedCount = 0
  private var waiting: [CheckedContinuation<Void, Never>] = []

  /// Waits for a place.
  func take() async {
    guard free == 0 else { return free -= 1 }
    await withCheckedContinuation { waiting.append($0) }
  }

  func give() {
    endedCount += 1
    add()
  }

  /// A moment has passed.
  func widen() {
    for _ in 0..<min(waiting.count, max(0, Self.width - endedCount)) { add() }
    endedCount = 0
  }

  private func add() { if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() } }
}
