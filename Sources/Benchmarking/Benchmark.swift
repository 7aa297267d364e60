import CLinux
package import Inference
package import StadionClient

/// Measures subjects side by side: each round gives all of them their turn at each load, in a new order, so that
/// whatever drifts on the machine hits all alike. Hosts of the benchmark's own are started anew several times.
package struct Benchmark {
  package private(set) var subjects: [Subject]
  package let inputs: [DenseTensor]
  package let plan: BenchmarkPlan
  /// Hears what is being done; for a terminal.
  private let progress: (String) -> Void

  package init(
    _ subjects: [Subject], inputs: [DenseTensor], plan: BenchmarkPlan, progress: @escaping (String) -> Void
  ) {
    self.subjects = subjects
    self.inputs = inputs
    self.plan = plan
    self.progress = progress
  }

  /// Asks every subject once and compares what they answer with the first one's answer.
  package func compareOutputs(_ result: inout BenchmarkResult) throws(HostError) {
    for (index, subject) in subjects.enumerated() {
      progress("first run of \(subject.name)")
      do throws(HostError) { try subject.prepare(inputs, timeout: plan.timeout) } catch {
        throw HostError(error.code, "\(subject.name): \(error.message)", cause: error.cause.map(Cause.init))
      }
      var entry = SubjectResult(name: subject.name)
      entry.engine = subject.engine
      entry.loadNs = subject.loadNs
      entry.firstRunNs = subject.firstRunNs
      if index > 0 {
        let (outputs, renamed) = TensorNames.outputs(subject.outputs, like: subjects[0].outputs)
        entry.renamed = renamed.map { "\($0.from) is taken for \($0.to)" }
        entry.parity = Parity.compare(outputs, with: subjects[0].outputs, tolerance: plan.tolerance)
      }
      result.subjects.append(entry)
    }
  }

  /// Loads the subjects; `compareOutputs` has come first.
  package mutating func measure(_ result: inout BenchmarkResult) throws(HostError) {
    let loads = plan.concurrencies.map { LoadResult.Load.closed($0) } + plan.rates.map { LoadResult.Load.open($0) }
    for index in subjects.indices {
      for load in loads {
        var entry = LoadResult(load: load)
        if case .closed(let count) = load { entry.instability = try warmUp(index, count) }
        result.subjects[index].loads.append(entry)
      }
    }
    let cost = subjects.reduce(0) { $0 + ($1.loadNs ?? 0) + ($1.firstRunNs ?? 0) }
    let starts = subjects.contains { $0.again == nil } ? 1 : plan.startCount(cost: .nanoseconds(Int64(cost)))
    var generator = SeededGenerator(seed: plan.seed)
    for round in 0..<plan.rounds {
      let start = round * starts / plan.rounds
      if round > 0, start != (round - 1) * starts / plan.rounds { try startAnew(start, &generator, &result) }
      for (loadIndex, load) in loads.enumerated() {
        if case .open(let rate) = load, !plan.hasOpenRound(round, rate) { continue }
        for index in subjects.indices.shuffled(using: &generator) {
          progress("round \(round + 1) of \(plan.rounds), \(load.label), \(subjects[index].name)")
          try measure(index, load, round, start, &result.subjects[index].loads[loadIndex])
        }
      }
    }
    if let limit = plan.limit { try search(limit, &result) }
    for index in subjects.indices {
      notePeak(index, &result)
      result.subjects[index].startCount = starts
    }
    result.compare()
  }

  /// Gives every subject a new host, in a new order.
  private mutating func startAnew(
    _ start: Int, _ generator: inout SeededGenerator, _ result: inout BenchmarkResult
  ) throws(HostError) {
    for index in subjects.indices.shuffled(using: &generator) {
      guard let again = subjects[index].again else { continue }
      progress("starting \(subjects[index].name) anew")
      notePeak(index, &result)
      subjects[index] = try again(start)
      try subjects[index].prepare(inputs, timeout: plan.timeout)
      let count = plan.concurrencies.max() ?? 1
      _ = try loadGenerator(index).closed(
        count, settle: .zero, duration: min(plan.warmUp / 10, .milliseconds(100)), atLeast: 2 * count)
    }
  }

  private func notePeak(_ index: Int, _ result: inout BenchmarkResult) {
    guard let peak = subjects[index].peakBytes else { return }
    result.subjects[index].peakBytes = max(peak, result.subjects[index].peakBytes ?? 0)
  }

  private func loadGenerator(_ index: Int) -> LoadGenerator {
    guard let generator = subjects[index].generator else { preconditionFailure("compareOutputs comes first") }
    return generator
  }

  private func measure(
    _ index: Int, _ load: LoadResult.Load, _ round: Int, _ start: Int, _ entry: inout LoadResult
  ) throws(HostError) {
    let generator = loadGenerator(index)
    let cpu = subjects[index].cpuNanoseconds
    let window: Window
    switch load {
    case .closed(let count):
      let settle = plan.roundDuration / 10
      // Where several requests are under way, a latency holds the runs of others.
      let before = count == 1 ? subjects[index].runStatistics() : nil
      window = try generator.closed(count, settle: settle, duration: plan.roundDuration, atLeast: count)
      entry.cpuAnswers += window.exchanges
      if let before, let after = subjects[index].runStatistics(), let runs = after.since(before) {
        entry.exchanges += window.exchanges
        entry.exchangesNs += window.exchangesNs
        entry.runs.add(runs)
      }
    case .open(let rate):
      window = try generator.open(
        plan.openConnections, rate: rate, arrivals: plan.arrivals, duration: plan.openRoundDuration(rate),
        seed: plan.seed &+ UInt64(round))
      entry.cpuAnswers += window.answered
    }
    entry.cpuNs += subjects[index].cpuNanoseconds - cpu
    entry.add(window, start: start)
  }

  /// Loads until three windows in a row differ little, or the time is over.
  ///
  /// - Returns: How far the last three were apart, as a share.
  private func warmUp(_ index: Int, _ count: Int) throws(HostError) -> Double {
    let end = linux_now_ns() + UInt64(plan.warmUp / .nanoseconds(1))
    var rates: [Double] = []
    while true {
      progress("warming up \(subjects[index].name), \(count == 1 ? "1 connection" : "\(count) connections")")
      let window = try loadGenerator(index).closed(
        count, settle: .zero, duration: min(plan.warmUp / 10, .milliseconds(200)), atLeast: 2 * count)
      rates.append(window.requestsPerSecond)
      let last = rates.suffix(3)
      let spread = ((last.max() ?? 0) - (last.min() ?? 0)) / max(last.max() ?? 0, .leastNonzeroMagnitude)
      if last.count == 3, spread <= plan.stability || linux_now_ns() >= end { return spread }
    }
  }

  private func search(_ limit: (share: Double, ns: Double), _ result: inout BenchmarkResult) throws(HostError) {
    let search = RateSearch(
      share: limit.share, limitNs: limit.ns, arrivals: plan.arrivals, connections: plan.openConnections,
      step: max(plan.roundDuration * 2, .milliseconds(500)))
    for index in subjects.indices {
      let capacity = result.subjects[index].loads.map(\.requestsPerSecond).max() ?? 100
      result.subjects[index].search = try search.run(
        loadGenerator(index), capacity: capacity, seed: plan.seed
      ) { rate in progress("searching the highest rate of \(subjects[index].name), \(Format.number(rate)) requests/s") }
    }
  }
}

/// Carries an error's cause on.
private struct Cause: Error, CustomStringConvertible {
  let description: String
}
