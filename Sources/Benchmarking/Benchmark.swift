import CLinux
package import Inference
import StadionClient

/// Measures subjects side by side: each round gives all of them their turn at each load, in a new order, so that
/// whatever drifts on the machine hits all alike. Hosts of the benchmark's own are started anew several times.
package struct Benchmark {
  package private(set) var subjects: [Subject]
  /// In the order of the plan's batches.
  package let workloads: [Workload]
  package let plan: BenchmarkPlan
  /// Hears what is being done; for a terminal.
  private let progress: (String) -> Void

  package init(
    _ subjects: [Subject], workloads: [Workload], plan: BenchmarkPlan, progress: @escaping (String) -> Void
  ) {
    self.subjects = subjects
    self.workloads = workloads
    self.plan = plan
    self.progress = progress
  }

  /// Asks every subject for each sample and compares what they answer with the first one's answers.
  package func compareOutputs(_ result: inout BenchmarkResult) throws(HostError) {
    let samples = workloads.flatMap { workload in
      workload.samples.map { sample in
        let batch = workload.batch.map { "batch \($0)" } ?? ""
        return Sample(name: [batch, sample.name].filter { !$0.isEmpty }.joined(separator: ", "), sample.tensors)
      }
    }
    var reference: [[DenseTensor]] = []
    for (index, subject) in subjects.enumerated() {
      progress("first run of \(subject.name)")
      var entry = SubjectResult(name: subject.name)
      do throws(HostError) {
        try subject.prepare(workloads, ways: plan.ways, timeout: plan.timeout)
        let answers =
          subjects.count == 1 && samples.count == 1 ? [] : try subject.answers(samples, timeout: plan.timeout)
        if index == 0 { reference = answers } else { compare(answers, with: reference, samples, &entry) }
      } catch {
        throw HostError(error.code, "\(subject.name): \(error.message)", cause: error.cause.map(Cause.init))
      }
      entry.engine = subject.engine
      entry.remarks = subject.remarks
      entry.loadNs = subject.loadNs
      entry.firstRunNs = subject.firstRunNs
      result.subjects.append(entry)
    }
  }

  private func compare(
    _ answers: [[DenseTensor]], with reference: [[DenseTensor]], _ samples: [Sample], _ entry: inout SubjectResult
  ) {
    // What the first sample says of names holds for all.
    let renamed = TensorNames.outputs(answers[0], like: reference[0]).renamed
    entry.renamed = renamed.map { "\($0.from) is taken for \($0.to)" }
    var parities: [(sample: String, outputs: [OutputParity])] = []
    for (index, sample) in samples.enumerated() {
      let outputs = answers[index].map { output in
        var output = output
        output.name = renamed.first { $0.from == output.name }?.to ?? output.name
        return output
      }
      let parity = Parity.compare(outputs, with: reference[index], tolerance: plan.tolerance)
      parities.append((sample.name, parity))
    }
    var names: [String] = []
    for name in parities.flatMap({ $0.outputs.map(\.name) }) where !names.contains(name) { names.append(name) }
    entry.parity = names.compactMap { name in
      OutputParity.over(
        parities.flatMap { entry in entry.outputs.filter { $0.name == name }.map { (entry.sample, $0) } })
    }
  }

  /// Loads the subjects; `compareOutputs` has come first.
  package mutating func measure(_ result: inout BenchmarkResult) throws(HostError) {
    let loads = plan.loads
    for index in subjects.indices {
      for load in loads {
        var entry = LoadResult(load: load)
        if case .closed(let count) = load.kind { entry.instability = try warmUp(index, load, count) }
        result.subjects[index].loads.append(entry)
      }
    }
    let cost = subjects.reduce(0) { $0 + ($1.loadNs ?? 0) + ($1.firstRunNs ?? 0) }
    let starts = subjects.contains { $0.again == nil } ? 1 : plan.startCount(cost: .nanoseconds(Int64(cost)))
    var generator = SeededGenerator(seed: plan.seed)
    let begin = linux_now_ns()
    for round in 0..<plan.rounds {
      let start = round * starts / plan.rounds
      if round > 0, start != (round - 1) * starts / plan.rounds { try startAnew(start, &generator, &result) }
      for (loadIndex, load) in loads.enumerated() {
        if case .open(let rate) = load.kind, !plan.hasOpenRound(round, rate) { continue }
        for index in subjects.indices.shuffled(using: &generator) {
          let left = timeLeft(round, since: begin)
          progress("round \(round + 1) of \(plan.rounds)\(left), \(load.label), \(subjects[index].name)")
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

  /// ` (1:25 left)`, as the rounds before this one took; nothing in the first.
  private func timeLeft(_ round: Int, since begin: UInt64) -> String {
    guard round > 0 else { return "" }
    let seconds = Int((linux_now_ns() - begin) / 1_000_000_000) * (plan.rounds - round) / round
    let rest = String(seconds % 60)
    return " (\(seconds / 60):\(rest.count == 1 ? "0" : "")\(rest) left)"
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
      try subjects[index].prepare(workloads, ways: plan.ways, timeout: plan.timeout)
      for load in plan.loads {
        guard case .closed(let count) = load.kind, load.way != .host || count == plan.concurrencies.max() else {
          continue
        }
        _ = try closed(
          index, load, count, settle: .zero, duration: min(plan.warmUp / 10, .milliseconds(100)), atLeast: 2 * count)
      }
    }
  }

  private func notePeak(_ index: Int, _ result: inout BenchmarkResult) {
    guard let peak = subjects[index].peakBytes else { return }
    result.subjects[index].peakBytes = max(peak, result.subjects[index].peakBytes ?? 0)
  }

  /// - Parameter first: The sample to begin with: the same for all subjects in a round.
  private func closed(
    _ index: Int, _ load: LoadResult.Load, _ count: Int, settle: Duration, duration: Duration, atLeast: Int,
    first: Int = 0
  ) throws(HostError) -> Window {
    try subjects[index].closed(
      count, load.way, workload: workload(of: load), first: first, settle: settle, duration: duration, atLeast: atLeast)
  }

  private func workload(of load: LoadResult.Load) -> Int {
    guard let index = workloads.firstIndex(where: { $0.batch == load.batch }) else {
      preconditionFailure("a plan's batches are those of the workloads")
    }
    return index
  }

  private func measure(
    _ index: Int, _ load: LoadResult.Load, _ round: Int, _ start: Int, _ entry: inout LoadResult
  ) throws(HostError) {
    let cpu = subjects[index].cpuNanoseconds(load.way)
    let window: Window
    switch load.kind {
    case .closed(let count):
      let settle = plan.roundDuration / 10
      // Where several requests are under way, a latency holds the runs of others.
      let before = count == 1 && load.way != .inProcess ? subjects[index].runStatistics() : nil
      window = try closed(
        index, load, count, settle: settle, duration: plan.roundDuration, atLeast: count, first: round)
      entry.cpuAnswers += window.exchanges
      if let before, let after = subjects[index].runStatistics(), let runs = after.since(before) {
        entry.exchanges += window.exchanges
        entry.exchangesNs += window.exchangesNs
        entry.runs.add(runs)
      }
    case .open(let rate):
      window = try subjects[index].generator(load.way, workload: workload(of: load), first: round).open(
        plan.openConnections, rate: rate, arrivals: plan.arrivals, duration: plan.openRoundDuration(rate),
        seed: plan.seed &+ UInt64(round))
      entry.cpuAnswers += window.answered
    }
    entry.cpuNs += subjects[index].cpuNanoseconds(load.way) - cpu
    entry.add(window, start: start)
  }

  /// Loads until three windows in a row differ little, or the time is over.
  ///
  /// - Returns: How far the last three were apart, as a share.
  private func warmUp(_ index: Int, _ load: LoadResult.Load, _ count: Int) throws(HostError) -> Double {
    let end = linux_now_ns() + UInt64(plan.warmUp / .nanoseconds(1))
    var rates: [Double] = []
    while true {
      progress("warming up \(subjects[index].name), \(load.label)")
      let window = try closed(
        index, load, count, settle: .zero, duration: min(plan.warmUp / 10, .milliseconds(200)), atLeast: 2 * count)
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
      let closed = result.subjects[index].loads.filter { $0.load.batch == workloads[0].batch && $0.load.way == .host }
      let capacity = closed.map(\.requestsPerSecond).max()
      result.subjects[index].search = try search.run(
        subjects[index].generator(.host, workload: 0, first: 0), capacity: capacity ?? 100, seed: plan.seed
      ) { rate in progress("searching the highest rate of \(subjects[index].name), \(Format.number(rate)) requests/s") }
    }
  }
}

/// Carries an error's cause on.
private struct Cause: Error, CustomStringConvertible {
  let description: String
}
