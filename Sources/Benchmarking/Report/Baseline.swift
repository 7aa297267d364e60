package import Inference
package import Wire

/// A benchmark of an earlier day, to find what became slower.
package struct Baseline: Sendable {
  package struct Change: Sendable, Equatable {
    package let subject: String
    package let load: LoadResult.Load
    /// Median latency now by then.
    package let ratio: Interval?
    package let verdict: Verdict
  }

  /// Their logarithms.
  private let medians: [String: [Double]]

  /// - Throws: `HostError` `.invalidRequest` for what isn't a report of this schema.
  package init(_ json: JSONValue, name: String) throws(HostError) {
    guard let schema = json["schema"]?.string else {
      throw HostError(.invalidRequest, "\(name) is no report; make one with --json")
    }
    guard schema == JSONReport.schema else {
      throw HostError(
        .invalidRequest,
        "\(name) has schema \(schema), this program reads \(JSONReport.schema); make it anew with --json")
    }
    var medians: [String: [Double]] = [:]
    for runner in json["runners"]?.array ?? [] {
      for load in runner["loads"]?.array ?? [] {
        let kind: LoadResult.Load
        let (batch, way) = (load["batch"]?.int, load["way"]?.string.flatMap { Way(rawValue: $0) } ?? .host)
        if let count = load["connections"]?.int {
          kind = .closed(count, batch: batch, way: way)
        } else if let rate = load["requestsPerSecond"]?.double {
          kind = .open(rate, batch: batch)
        } else {
          continue
        }
        let values = load["rounds"]?["medianNs"]?.array?.compactMap(\.double) ?? []
        let starts = load["rounds"]?["start"]?.array?.compactMap(\.int) ?? []
        medians[Self.key(runner["name"]?.string ?? "", kind)] = Rounds.logs(values, starts: starts)
      }
    }
    self.medians = medians
  }

  private static func key(_ name: String, _ load: LoadResult.Load) -> String { "\(name)\n\(load.label)" }

  /// - Parameter leastEffect: Share that counts as a change; between days a machine differs more than between rounds.
  package func changes(to result: BenchmarkResult, leastEffect: Double) -> [Change] {
    result.subjects.flatMap { subject in
      subject.loads.compactMap { load -> Change? in
        guard let before = medians[Self.key(subject.name, load.load)] else { return nil }
        let ratio = Bootstrap.unpairedRatio(
          Rounds.logs(load.roundMedians, starts: load.roundStarts), to: before, confidence: result.plan.confidence,
          seed: result.plan.seed)
        return Change(
          subject: subject.name, load: load.load, ratio: ratio, verdict: Verdict(ratio, leastEffect: leastEffect))
      }
    }
  }
}

extension Sentences {
  /// `echo became 1.12–1.20 × slower (median, 1 connection)`.
  package static func change(_ change: Baseline.Change) -> String {
    let tail = "(median, \(change.load.label))"
    switch change.verdict {
    case .faster(let low, let high):
      return "\(change.subject) became \(Format.fixed(low, 2))–\(Format.fixed(high, 2)) × faster \(tail)"
    case .slower(let low, let high):
      return "\(change.subject) became \(Format.fixed(low, 2))–\(Format.fixed(high, 2)) × slower \(tail)"
    case .equal, .open:
      let ratio = change.ratio.map { " (\(Format.fixed($0.low, 2))–\(Format.fixed($0.high, 2)) × the time)" } ?? ""
      return "\(change.subject): no change seen\(ratio) \(tail)"
    case .unknown: return "\(change.subject): too few rounds to compare \(tail)"
    }
  }
}
