/// The tables of a benchmark, for whatever prints them.
package enum Rows {
  /// - Parameter hasBatches: Requests have rows, which are counted, too.
  package static func loadHeadings(hasBatches: Bool = false) -> [String] {
    ["RUNNER", "LOAD", "P50", "P90", "P99", "P99.9", "REQUESTS/S"] + (hasBatches ? ["ROWS/S"] : [])
      + ["HOST COST", "CPU/REQUEST", "± ROUNDS"]
  }

  /// A row per load and runner, the runners of a load together.
  package static func loads(_ result: BenchmarkResult) -> [[String]] {
    let count = result.subjects.map(\.loads.count).min() ?? 0
    return (0..<count).flatMap { index in
      result.subjects.map { subject in
        let load = subject.loads[index]
        let quantiles = [0.5, 0.9, 0.99, 0.999].map { share in
          // A share that less than one request stands for says nothing.
          Double(load.latencies.count) * (1 - share) >= 1 ? Format.time(load.latencies.quantile(share)) : "-"
        }
        let rows = result.hasBatches ? [Format.number(load.rowsPerSecond)] : []
        return [subject.name, load.load.label] + quantiles + [Format.number(load.requestsPerSecond)] + rows + [
          Format.time(load.hostCostNs), Format.time(load.cpuPerRequestNs), Format.percent(load.spread),
        ]
      }
    }
  }

  package static let wayHeadings = ["RUNNER", "WAY", "P50", "P99", "ADDED TO THE CALL", "CPU/REQUEST"]

  package static func ways(_ costs: [WayCost]) -> [[String]] {
    costs.map { cost in
      let added = cost.addedNs.map { interval in
        "\(Format.time(interval.estimate)) (\(Format.time(interval.low)) to \(Format.time(interval.high)))"
      }
      let way =
        cost.load.way == .host
        ? "host, Unix socket"
        : cost.load.way == .inProcess
          ? "in process"
          : "host, "
            + (cost.load.way.label ?? "")
      let batch = cost.load.batch.map { ", batch \($0)" } ?? ""
      return [
        cost.subject, way + batch, Format.time(cost.medianNs), Format.time(cost.p99Ns), added ?? "-",
        Format.time(cost.cpuPerRequestNs),
      ]
    }
  }

  package static let startHeadings = ["RUNNER", "ENGINE", "LOAD TIME", "FIRST RUN", "PEAK MEMORY"]

  package static func starts(_ result: BenchmarkResult) -> [[String]] {
    result.subjects.map { subject in
      [
        subject.name, subject.engine.isEmpty ? "-" : subject.engine, Format.time(subject.loadNs.map { Double($0) }),
        Format.time(subject.firstRunNs.map { Double($0) }), Format.bytes(subject.peakBytes),
      ]
    }
  }

  package static let ratioHeadings = ["RUNNER", "LOAD", "TIME × REFERENCE", "REQUESTS/S × REFERENCE", "VERDICT"]

  package static func ratios(_ result: BenchmarkResult) -> [[String]] {
    func text(_ interval: Interval?) -> String {
      interval.map { "\(Format.fixed($0.estimate, 3)) (\(Format.fixed($0.low, 3))–\(Format.fixed($0.high, 3)))" } ?? "-"
    }
    return result.comparisons.map { comparison in
      let word =
        switch comparison.verdict {
        case .open: "no difference seen"
        case .equal: "equal"
        default: comparison.verdict.word
        }
      return [
        comparison.subject, comparison.load.label, text(comparison.latency), text(comparison.rate), word,
      ]
    }
  }

  package static let parityHeadings = [
    "RUNNER", "OUTPUT", "MAX ABS", "MEAN ABS", "MAX REL", "ULP", "COSINE", "TOP-1", "TOP-5", "RESULT",
  ]

  package static func parity(_ result: BenchmarkResult) -> [[String]] {
    result.subjects.dropFirst().flatMap { subject in
      subject.parity.map { output in
        if let problem = output.problem {
          return [subject.name, output.name, "-", "-", "-", "-", "-", "-", "-", "FAIL: \(problem)"]
        }
        return [
          subject.name, output.name, Format.number(output.maxAbsolute), Format.number(output.meanAbsolute),
          Format.number(output.maxRelative), output.maxULP.map { Format.number(Double($0)) } ?? "-",
          output.cosine.map { Format.fixed($0, 6) } ?? "-", output.top1.map { Format.percent($0) } ?? "-",
          output.top5.map { Format.percent($0) } ?? "-",
          output.passes ? "pass" : "FAIL: \(output.beyond) of \(output.elementCount) elements",
        ]
      }
    }
  }

  package static let searchHeadings = ["RUNNER", "HIGHEST RATE", "LATENCY THERE"]

  package static func searches(_ result: BenchmarkResult) -> [[String]] {
    result.subjects.compactMap { subject in
      guard let search = subject.search else { return nil }
      let best = search.steps.last { $0.isKept }
      return [
        subject.name, search.rate > 0 ? "\(Format.number(search.rate)) requests/s" : "none",
        Format.time(best?.latencyNs),
      ]
    }
  }
}
