import Inference
package import Running

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
  package let key: RunnerKey
  /// `ready`, `closed` (no model has wanted it yet), `refused`, `restarting` or `quarantined`.
  package let state: String
  /// Nil in the host, and while there is none.
  package let processID: Int32?
  package let history: RunnerHistory

  package static let states = ["ready", "closed", "refused", "restarting", "quarantined"]
}

extension Router {
  /// Every runner as it is now, by id and tenant; of other tenants than the default one, those that have been opened.
  package func observeRunners() -> [RunnerObservation] {
    meetRunners(for: .standard)
    return runners.filter { !$0.isGone }.compactMap { state in
      let key = state.runner.key
      let isClosed = state.facts == nil && state.reason == nil
      if isClosed, let tenant = key.tenant, tenant != .standard { return nil }
      return RunnerObservation(
        key: key, state: isClosed ? "closed" : state.word,
        processID: state.facts == nil ? nil : state.runner.processID, history: histories[key] ?? RunnerHistory())
    }.sorted { ($0.key.id, $0.key.tenantText) < ($1.key.id, $1.key.tenantText) }
  }
}

/// What runners have to do, counted on a walk through what is served.
package struct RunnerLoads {
  private struct Load {
    var models = 0
    /// One for all models of a process; there are two while one takes over from the other.
    var arenas: [ObjectIdentifier: SharedArena] = [:]
  }
  private var loads: [RunnerKey: Load] = [:]

  package init() {}

  package mutating func count(_ model: LoadedModel) {
    let key = model.runner.key
    loads[key, default: Load()].models += 1
    if let arena = model.sharedArena { loads[key]?.arenas[ObjectIdentifier(arena)] = arena }
  }

  /// Versions of models that a runner serves.
  package func models(of runner: RunnerKey) -> Int { loads[runner]?.models ?? 0 }

  /// Bytes of memory shared with its process that requests hold now.
  package func sharedBytes(of runner: RunnerKey) -> Int {
    loads[runner]?.arenas.values.reduce(0) { $0 + $1.usedBytes } ?? 0
  }
}
