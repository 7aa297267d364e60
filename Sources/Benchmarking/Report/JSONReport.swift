import Inference
package import Wire

/// A benchmark for programs. `schema` grows when a member changes its meaning or goes; new members don't change it.
package enum JSONReport {
  package static let schema = "stadion-bench/1"
  private static let shares = [
    ("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999),
  ]

  package static func make(_ result: BenchmarkResult) -> JSONValue {
    let plan = result.plan
    return [
      "schema": .string(schema), "model": .string(result.model),
      "startedAt": .string(result.startedAt), "command": .string(result.command),
      "inputs": .array(
        result.inputs.map { input in
          [
            "name": .string(input.name), "datatype": .string(input.elementType.protocolName.description),
            "shape": .array(input.shape.map { .integer($0) }),
          ]
        }),
      "inputSeed": result.inputSeed.map { .integer($0) } ?? .null,
      "samples": .array(result.sampleNames.map { .string($0) }),
      "plan": [
        "rounds": .integer(plan.rounds), "secondsPerLoad": .double(plan.duration / .seconds(1)),
        "confidence": .double(plan.confidence), "leastEffect": .double(plan.leastEffect),
        "seed": .integer(plan.seed), "arrivals": .string(plan.arrivals.rawValue),
        "relativeTolerance": .double(plan.tolerance.relative), "absoluteTolerance": .double(plan.tolerance.absolute),
      ],
      "machine": [
        "processor": .string(result.machine), "lostShare": .double(result.noise.lostShare),
        "longestInterruptionNs": .integer(result.noise.longestNs), "load": .double(result.noise.load),
        "processors": .integer(result.noise.processors),
      ],
      "runners": .array(result.subjects.map(subject)),
      "absent": .array(result.absent.map { ["name": .string($0.name), "reason": .string($0.reason)] }),
      "ways": .array(WayCost.all(result).map(way)),
      "comparisons": .array(result.comparisons.map(comparison)),
      "warnings": .array(Sentences.warnings(result).map { .string($0) }),
    ]
  }

  private static func subject(_ subject: SubjectResult) -> JSONValue {
    [
      "name": .string(subject.name), "engine": .string(subject.engine),
      "loadNs": subject.loadNs.map { .integer($0) } ?? .null,
      "firstRunNs": subject.firstRunNs.map { .integer($0) } ?? .null,
      "starts": .integer(subject.startCount), "peakBytes": subject.peakBytes.map { .integer($0) } ?? .null,
      "loads": .array(subject.loads.map(load)),
      "passes": .bool(subject.passes), "parity": .array(subject.parity.map(parity)),
      "search": subject.search.map(search) ?? .null,
    ]
  }

  private static func load(_ result: LoadResult) -> JSONValue {
    let (kind, value): (String, JSONValue) =
      switch result.load.kind {
      case .closed(let count): ("connections", .integer(count))
      case .open(let rate): ("requestsPerSecond", .double(rate))
      }
    return [
      kind: value, "batch": result.load.batch.map { .integer($0) } ?? .null, "way": .string(result.load.way.rawValue),
      "answered": .integer(result.answered), "errors": .integer(result.errors),
      "changed": .integer(result.changed), "unsent": .integer(result.unsent),
      "latencyNs": .object(
        shares.map { .init($0.0, .double(result.latencies.quantile($0.1))) } + [
          .init("max", .integer(result.latencies.maximum))
        ]),
      "throughput": .double(result.requestsPerSecond), "rowsPerSecond": .double(result.rowsPerSecond),
      "hostCostNs": .double(result.hostCostNs),
      "cpuPerRequestNs": .double(result.cpuPerRequestNs), "spread": .double(result.spread),
      "instability": .double(result.instability),
      "rounds": [
        "medianNs": .array(result.roundMedians.map { .double($0) }),
        "throughput": .array(result.roundRates.map { .double($0) }),
        "start": .array(result.roundStarts.map { .integer($0) }),
      ],
    ]
  }

  private static func parity(_ output: OutputParity) -> JSONValue {
    [
      "output": .string(output.name), "passes": .bool(output.passes), "elements": .integer(output.elementCount),
      "beyond": .integer(output.beyond), "maxAbsolute": .double(output.maxAbsolute),
      "meanAbsolute": .double(output.meanAbsolute), "maxRelative": .double(output.maxRelative),
      "meanRelative": .double(output.meanRelative), "maxULP": output.maxULP.map { .integer($0) } ?? .null,
      "cosine": .double(output.cosine), "top1": .double(output.top1), "top5": .double(output.top5),
      "problem": output.problem.map { .string($0) } ?? .null,
    ]
  }

  private static func search(_ search: RateSearch.Result) -> JSONValue {
    [
      "requestsPerSecond": .double(search.rate),
      "steps": .array(
        search.steps.map { step in
          [
            "requestsPerSecond": .double(step.rate), "latencyNs": .double(step.latencyNs),
            "reached": .double(step.reached), "isKept": .bool(step.isKept),
          ]
        }),
    ]
  }

  private static func interval(_ interval: Interval?) -> JSONValue {
    guard let interval else { return .null }
    return ["estimate": .double(interval.estimate), "low": .double(interval.low), "high": .double(interval.high)]
  }

  private static func way(_ cost: WayCost) -> JSONValue {
    [
      "runner": .string(cost.subject), "way": .string(cost.load.way.rawValue),
      "batch": cost.load.batch.map { .integer($0) } ?? .null, "p50Ns": .double(cost.medianNs),
      "p99Ns": .double(cost.p99Ns), "addedNs": interval(cost.addedNs), "cpuPerRequestNs": .double(cost.cpuPerRequestNs),
    ]
  }

  private static func comparison(_ comparison: Comparison) -> JSONValue {
    [
      "runner": .string(comparison.subject), "reference": .string(comparison.reference),
      "load": .string(comparison.load.label), "time": interval(comparison.latency),
      "throughput": interval(comparison.rate), "verdict": .string(comparison.verdict.word),
    ]
  }
}
