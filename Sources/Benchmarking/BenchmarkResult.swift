package import Inference

/// All that is known of one runner.
package struct SubjectResult: Sendable {
  package let name: String
  package var engine = ""
  package var loadNs: UInt64?
  package var firstRunNs: UInt64?
  package var peakBytes: Int?
  package var startCount = 1
  package var loads: [LoadResult] = []
  /// Empty for the reference.
  package var parity: [OutputParity] = []
  /// Outputs that another format names otherwise, and which of the reference's they were compared with.
  package var renamed: [String] = []
  package var search: RateSearch.Result?
  /// What the kernel couldn't keep the runner in process from, one sentence each.
  package var remarks: [String] = []

  package init(name: String) { self.name = name }

  package var passes: Bool { parity.allSatisfy(\.passes) }
}

/// A runner beside the reference, at one load.
package struct Comparison: Sendable, Equatable {
  package let subject: String
  package let reference: String
  package let load: LoadResult.Load
  /// Median latency by the reference's.
  package let latency: Interval?
  /// Answers a second by the reference's; nil in an open loop, where the rate is given.
  package let rate: Interval?
  package let verdict: Verdict
}

/// What a benchmark found.
package struct BenchmarkResult: Sendable {
  package let model: String
  package let inputs: [TensorSpec]
  /// Nil when the user gave the inputs.
  package let inputSeed: UInt64?
  /// Names of the samples that are taken in turn; empty for generated inputs.
  package var sampleNames: [String] = []
  /// How files became inputs, where a reader should know.
  package var inputNotes: [String] = []
  package let plan: BenchmarkPlan
  package var machine: String
  /// When it began, in UTC, and as what command; empty where nobody says.
  package var startedAt = ""
  package var command = ""
  package var noise: MachineNoise
  package var subjects: [SubjectResult] = []
  package var absent: [Lineup.Absent] = []
  package var comparisons: [Comparison] = []

  package init(model: String, inputs: [TensorSpec], inputSeed: UInt64?, plan: BenchmarkPlan, noise: MachineNoise) {
    self.model = model
    self.inputs = inputs
    self.inputSeed = inputSeed
    self.plan = plan
    self.noise = noise
    machine = MachineText.processor
  }

  package var hasBatches: Bool { plan.batches != [nil] }
  package var mismatches: [SubjectResult] { subjects.filter { !$0.passes } }
  package var errorCount: UInt64 { subjects.reduce(0) { $0 + $1.loads.reduce(0) { $0 + $1.errors } } }

  mutating func compare() {
    guard let reference = subjects.first else { return }
    let others = subjects.dropFirst()
    let confidence = plan.confidence(forVerdicts: others.count * reference.loads.count)
    for subject in others {
      for (index, load) in subject.loads.enumerated() where index < reference.loads.count {
        let base = reference.loads[index]
        let seed = plan.seed &+ UInt64(comparisons.count) &* 7919
        func ratio(_ values: KeyPath<LoadResult, [Double]>) -> Interval? {
          Bootstrap.ratio(
            Rounds.logRatios(load[keyPath: values], to: base[keyPath: values], starts: load.roundStarts),
            confidence: confidence, seed: seed)
        }
        let latency = ratio(\.roundMedians)
        let rate: Interval? = if case .closed = load.load.kind { ratio(\.roundRates) } else { nil }
        comparisons.append(
          Comparison(
            subject: subject.name, reference: reference.name, load: load.load, latency: latency, rate: rate,
            verdict: Verdict(latency, leastEffect: plan.leastEffect)))
      }
    }
  }
}
