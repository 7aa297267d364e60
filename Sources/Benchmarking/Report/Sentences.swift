import Inference

/// What a benchmark found, in words.
package enum Sentences {
  /// `openvino is 1.21–1.26 × faster than onnxruntime (median, 1 connection)`.
  package static func verdict(_ comparison: Comparison, leastEffect: Double) -> String {
    let tail = "(median, \(comparison.load.label))"
    func range(_ low: Double, _ high: Double) -> String {
      let digits = low < 10 ? 2 : 1
      let (a, b) = (Format.fixed(low, digits), Format.fixed(high, digits))
      return a == b ? "\(a) ×" : "\(a)–\(b) ×"
    }
    switch comparison.verdict {
    case .faster(let low, let high):
      return "\(comparison.subject) is \(range(low, high)) faster than \(comparison.reference) \(tail)"
    case .slower(let low, let high):
      return "\(comparison.subject) is \(range(low, high)) slower than \(comparison.reference) \(tail)"
    case .equal:
      return
        "\(comparison.subject) is as fast as \(comparison.reference), within \(Format.percent(leastEffect)) \(tail)"
    case .open:
      let ratio = comparison.latency.map { "; its time is \(range($0.low, $0.high)) the reference's" } ?? ""
      return "no difference seen between \(comparison.subject) and \(comparison.reference)\(ratio) \(tail)"
    case .unknown:
      return "no verdict on \(comparison.subject): fewer than \(Bootstrap.fewestValues) rounds with answers \(tail)"
    }
  }

  /// Lines about outputs that differ from the reference's.
  package static func mismatches(_ result: BenchmarkResult) -> [String] {
    var lines: [String] = []
    for subject in result.mismatches {
      for output in subject.parity where !output.passes {
        let what =
          output.problem
          ?? "\(output.beyond) of \(output.elementCount) elements are beyond the tolerance, by up to "
          + "\(Format.number(output.maxAbsolute)) (\(Format.percent(output.maxRelative)))"
        let place = output.worst.map { "; worst in \($0)" } ?? ""
        lines.append("MISMATCH: \(subject.name), output \(output.name): \(what)\(place)")
      }
    }
    return lines
  }

  /// What the reader should know before believing the figures.
  package static func warnings(_ result: BenchmarkResult) -> [String] {
    var lines: [String] = []
    lines += result.inputNotes
    for absent in result.absent { lines.append("\(absent.name) takes no part: \(absent.reason)") }
    for subject in result.subjects {
      lines += subject.remarks.map { "\(subject.name), in process: not confined in full: \($0)" }
      if !subject.renamed.isEmpty {
        lines.append("\(subject.name): by type, shape and nearness, \(subject.renamed.joined(separator: ", "))")
      }
      for load in subject.loads {
        let place = "\(subject.name), \(load.load.label)"
        if load.errors > 0 {
          lines.append("\(place): \(load.errors) requests failed; the first: \(load.problem ?? "without a reason")")
        }
        if load.unsent > 0 { lines.append("\(place): \(load.unsent) requests could not be sent in time: overloaded") }
        if load.changed > 0 {
          lines.append("\(place): \(load.changed) of \(load.answered) answers differ from the first one")
        }
        if let instability = load.instability, instability > result.plan.stability {
          lines.append(
            "\(place): not stable after the warm-up: three windows differ by \(Format.percent(instability)), more "
              + "than \(Format.percent(result.plan.stability))")
        }
      }
    }
    let starts = result.subjects.map(\.startCount).min() ?? 1
    if result.subjects.count > 1, starts < Bootstrap.fewestValues {
      lines.append(
        "each runner was started \(starts == 1 ? "once" : "\(starts) times"), so that verdicts come from rounds alone: "
          + "starts of one runner may differ from each other by what is called a difference here")
    }
    let noise = result.noise
    if noise.lostShare > 0.02 || noise.load > Double(noise.processors) {
      lines.append(
        "the machine is busy with other things: a thread that only reads the clock loses "
          + "\(Format.percent(noise.lostShare)) of its time, the load is \(Format.fixed(noise.load, 1)) on "
          + "\(noise.processors) cores")
    }
    return lines
  }

  package static func noise(_ noise: MachineNoise) -> String {
    "a thread that only reads the clock loses \(Format.percent(noise.lostShare)) of its time, "
      + "\(Format.time(Double(noise.longestNs))) at most at once; load \(Format.fixed(noise.load, 1)) on "
      + "\(noise.processors) cores"
  }

  /// What the requests carry, and where it comes from.
  package static func inputs(_ result: BenchmarkResult) -> String {
    let list = result.inputs.map { "\($0.name) \($0.elementType.protocolName) \($0.shape)" }.joined(separator: ", ")
    if let seed = result.inputSeed { return "\(list), generated from seed \(seed)" }
    let names = result.sampleNames
    guard names.count > 1 else { return "\(list), from \(names.first ?? "the command line")" }
    let shown = names.prefix(3).joined(separator: ", ")
    let more = names.count > 3 ? " and \(names.count - 3) more" : ""
    return "\(list), \(names.count) samples in turn: \(shown)\(more)"
  }
}
