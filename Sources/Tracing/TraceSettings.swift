import Synchronization

/// Which requests are traced: for all models, and for single ones. Any thread.
package final class TraceSettings: Sendable {
  /// What may be set for one model; nil as for all.
  package struct Values: Sendable, Equatable {
    package var isOn: Bool?
    /// Of requests without a sampled parent, 0...1.
    package var share: Double?
    /// Traces left; negative for no limit.
    package var count: Int?

    package init() {}

    var isEmpty: Bool { self == Values() }
  }

  fileprivate struct State: Sendable {
    var all = Values()
    var models: [String: Values] = [:]
  }
  private let state = Mutex(State())
  /// Whether any request may be traced; asked first, without a lock.
  private let mayTrace = Atomic<Bool>(false)
  /// The share of 2^53 where it holds for all models and nothing is counted; `.max` where the lock must be taken.
  private let simpleShare = Atomic<UInt64>(.max)

  package init(isOn: Bool, share: Double) {
    state.withLock {
      $0.all.isOn = isOn
      $0.all.share = share
      $0.all.count = -1
    }
    publish()
  }

  @inline(__always)
  package var isOn: Bool { mayTrace.load(ordering: .relaxed) }

  /// What holds for a model, or for all.
  package func values(of model: String?) -> Values { state.withLock { $0.resolved(model) } }

  /// Changes what holds for a model, or for all.
  package func update(_ model: String?, _ change: (inout Values) -> Void) {
    state.withLock { state in
      if let model {
        var own = state.models[model] ?? Values()
        change(&own)
        state.models[model] = own.isEmpty ? nil : own
      } else {
        change(&state.all)
      }
    }
    publish()
  }

  private func publish() {
    state.withLock { state in
      let isSimple = state.models.isEmpty && (state.all.count ?? -1) < 0 && state.all.isOn == true
      simpleShare.store(isSimple ? UInt64((state.all.share ?? 0) * 0x1p53) : .max, ordering: .relaxed)
      let isOn = state.all.isOn == true || state.models.values.contains { $0.isOn == true }
      mayTrace.store(isOn, ordering: .relaxed)
    }
  }

  /// Whether a request is traced; counts it if so.
  ///
  /// - Parameters:
  ///   - parent: Whether its sender traces it; nil without one.
  ///   - random: Uniform over all values.
  package func takes(_ model: String, parent: Bool?, random: UInt64) -> Bool {
    let simple = simpleShare.load(ordering: .relaxed)
    if simple != .max { return parent ?? (random >> 11 < simple) }
    return state.withLock { state in
      let values = state.resolved(model)
      guard values.isOn == true, values.count != 0 else { return false }
      let share = Double(random >> 11) * 0x1p-53
      guard parent ?? (share < values.share ?? 0) else { return false }
      guard let count = values.count, count > 0 else { return true }
      if state.models[model]?.count != nil {
        state.models[model]?.count = count - 1
      } else {
        state.all.count = count - 1
      }
      return true
    }
  }
}

extension TraceSettings.State {
  fileprivate func resolved(_ model: String?) -> TraceSettings.Values {
    guard let model, let own = models[model] else { return all }
    var values = all
    values.isOn = own.isOn ?? all.isOn
    values.share = own.share ?? all.share
    values.count = own.count ?? all.count
    return values
  }
}
