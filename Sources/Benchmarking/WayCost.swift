/// What a way to a runner costs on top of the call in process.
package struct WayCost: Sendable {
  package let subject: String
  package let load: LoadResult.Load
  package let medianNs: Double
  package let p99Ns: Double?
  /// Typical difference of a round's median from that of the call in process, with the interval that it lies in; nil
  /// for the call itself, and where nobody measured it.
  package let addedNs: Interval?
  package let cpuPerRequestNs: Double?

  /// A row per runner, batch and way, the call in process first; empty unless several ways were asked for.
  package static func all(_ result: BenchmarkResult) -> [WayCost] {
    guard !result.plan.ways.isEmpty else { return [] }
    return result.subjects.flatMap { subject in
      subject.loads.compactMap { load -> WayCost? in
        guard load.load.kind == .closed(1) else { return nil }
        let bare = subject.loads.first { $0.load.way == .inProcess && $0.load.batch == load.load.batch }
        let hasP99 = Double(load.latencies.count) * 0.01 >= 1
        return WayCost(
          subject: subject.name, load: load.load, medianNs: load.latencies.quantile(0.5),
          p99Ns: hasP99 ? load.latencies.quantile(0.99) : nil,
          addedNs: load.load.way == .inProcess ? nil : bare.flatMap { added(load, to: $0, result.plan) },
          cpuPerRequestNs: load.cpuPerRequestNs)
      }
    }
  }

  /// From differences of the same round, so that what drifts hits both sides.
  private static func added(_ load: LoadResult, to bare: LoadResult, _ plan: BenchmarkPlan) -> Interval? {
    let differences = Rounds.differences(load.roundMedians, bare.roundMedians, starts: load.roundStarts)
    return Bootstrap.mean(differences, confidence: plan.confidence, seed: plan.seed)
  }
}
