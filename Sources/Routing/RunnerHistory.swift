import Running

/// How often a runner was started, and how its processes have ended though nobody wanted that.
package struct RunnerHistory: Sendable {
  package var starts = 0
  /// By `RunnerEnd.cause`.
  package var ends: [String: Int] = [:]

  /// Starts after the first.
  package var restarts: Int { max(starts - 1, 0) }
}

/// A runner as those see it who watch the host: nothing is opened for it.
package struct RunnerObservation: Sendable {
  package let id: String
  /// `ready`, `closed` (no model has wanted it yet), `refused`, `restarting` or `quarantined`.
  package let state: String
  /// Nil in the host, and while there is none.
  package let processID: Int32?
  package let history: RunnerHistory
  /// Versions of models that it serves.
  package let modelCount: Int
  /// Bytes of its shared memory that requests hold now.
  package let sharedBytes: Int

  package static let states = ["ready", "closed", "refused", "restarting", "quarantined"]
}

extension Router {
  /// Every runner as it is now, by id.
  package func observeRunners() -> [RunnerObservation] {
    meetRunners()
    var counts: [String: Int] = [:]
    var arenas: [String: Int] = [:]
    for model in models.values {
      for instance in model.versions.values.lazy.compactMap(\.served).flatMap(\.instances) {
        counts[instance.runnerID, default: 0] += 1
        // One for all models of a process.
        if arenas[instance.runnerID] == nil { arenas[instance.runnerID] = instance.sharedArena?.usedBytes }
      }
    }
    return runners.filter { !$0.isGone }.map { state in
      let id = state.runner.id
      let isClosed = state.facts == nil && state.reason == nil
      return RunnerObservation(
        id: id, state: isClosed ? "closed" : state.word,
        processID: state.facts == nil ? nil : state.runner.processID, history: histories[id] ?? RunnerHistory(),
        modelCount: counts[id] ?? 0, sharedBytes: arenas[id] ?? 0)
    }.sorted { $0.id < $1.id }
  }
}
