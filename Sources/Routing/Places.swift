/// How many of a kind may be under way at once, as processes that are started, each of which costs memory; others wait
/// their turn.
actor Places {
  private let count: Int
  private var free: Int
  private var givenBack = 0
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) {
    self.count = count
    free = count
  }

  func take() async {
    guard free == 0 else { return free -= 1 }
    await withCheckedContinuation { waiting.append($0) }
  }

  func give() {
    givenBack += 1
    add()
  }

  /// To be called from time to time where those who take long may hold up no other: where fewer places were given back
  /// since the last time than there are, as many more waiting ones get one.
  func widen() {
    for _ in 0..<min(waiting.count, max(0, count - givenBack)) { add() }
    givenBack = 0
  }

  private func add() { if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() } }
}
