package import Running

/// A version in a runner's process that has nothing else: whatever it does there, no request notices.
package struct Trial: Sendable {
  package let model: LoadedModel
  private let runner: Runner
  private let places: Places

  init(_ model: LoadedModel, in runner: Runner, _ places: Places) {
    self.model = model
    self.runner = runner
    self.places = places
  }

  /// Ends the process, so that the next trial may begin. To be called once, whatever has come of it.
  package func end() async {
    await stop()
    await places.give()
  }

  func stop() async { await runner.stop() }
}

/// How many processes may be started or tried out at once, as each costs an engine's start or memory; others wait their
/// turn.
actor Places {
  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { free = count }

  func take() async {
    guard free == 0 else { return free -= 1 }
    await withCheckedContinuation { waiting.append($0) }
  }

  func give() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}
