import StadionClient

/// A benchmark as one HTML file: no scripts, nothing from a network, light and dark.
package enum HTMLReport {
  package static func make(_ result: BenchmarkResult) -> String {
    var body: [String] = []
    body.append("<h1>\(escaped(result.model))</h1><p class=\"quiet\">\(escaped(Sentences.inputs(result)))</p>")
    let mismatches = Sentences.mismatches(result)
    if !mismatches.isEmpty { body.append(list(mismatches, "bad")) }
    if !result.comparisons.isEmpty { body.append(verdicts(result)) }
    body.append(legend(result))
    if !result.comparisons.isEmpty {
      body.append("<h2>Beside \(escaped(result.subjects[0].name))</h2><div class=\"charts\">")
      body.append(ForestChart.make(result) + ThroughputChart.make(result) + "</div>")
      body.append(HTMLTable.make(Rows.ratioHeadings, Rows.ratios(result), result, group: 1))
    }
    let loadHeadings = Rows.loadHeadings(hasBatches: result.hasBatches)
    body.append("<h2>Latency</h2>" + HTMLTable.make(loadHeadings, Rows.loads(result), result, group: 1))
    body.append(perLoad(result) { DistributionChart.make(result, $0) + PercentileChart.make(result, $0) })
    let ways = WayCost.all(result)
    if !ways.isEmpty {
      body.append("<h2>What the host costs</h2><div class=\"charts\">" + WayChart.make(result, ways) + "</div>")
      body.append(HTMLTable.make(Rows.wayHeadings, Rows.ways(ways), result, group: 0))
    }
    let throughput = result.comparisons.isEmpty ? ThroughputChart.make(result) : ""
    body.append("<h2>\(throughput.isEmpty ? "Memory and start" : "Throughput, memory and start")</h2>")
    body.append("<div class=\"charts\">" + throughput + MemoryChart.make(result) + "</div>")
    body.append(HTMLTable.make(Rows.startHeadings, Rows.starts(result), result))
    let searches = Rows.searches(result)
    if !searches.isEmpty {
      body.append("<h2>Highest rate</h2>" + HTMLTable.make(Rows.searchHeadings, searches, result))
    }
    let parity = Rows.parity(result)
    if !parity.isEmpty {
      body.append("<h2>Parity with \(escaped(result.subjects[0].name))</h2>")
      body.append("<div class=\"charts\">" + ParityChart.make(result) + "</div>")
      body.append(HTMLTable.make(Rows.parityHeadings, parity, result, group: 0))
    }
    let warnings = Sentences.warnings(result)
    body.append("<h2>How far to trust this</h2>")
    if !warnings.isEmpty { body.append(list(warnings, "notes")) }
    body.append(perLoad(result) { RoundsChart.make(result, $0) })
    body.append(facts(result))
    body.append("<p class=\"quiet\">\(escaped(method(result)))</p>")
    return """
      <!doctype html>
      <html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(result.model)): stadion bench</title>
      <style>\(HTMLStyle.text)</style>
      <main>
      \(body.joined(separator: "\n"))
      </main></html>

      """
  }

  private static func method(_ result: BenchmarkResult) -> String {
    let plan = result.plan
    return
      "\(plan.rounds) rounds, in each of which all runners have "
      + "their turn in random order, \(Format.number(plan.duration / .seconds(1))) s per runner and load. Percentiles come "
      + "from histograms of all requests with three significant digits; a share that less than one request stands for "
      + "isn't shown. Intervals come from starts of the runner, where there are ten, else from rounds, with "
      + "\(Format.percent(plan.confidence)) confidence over all verdicts together; differences below "
      + "\(Format.percent(plan.leastEffect)) count as none. Open loops measure from when a request should have begun. Host "
      + "cost is the mean latency of one connection without the mean run, as the server's statistics tell it. Peak "
      + "memory is that of the host and the runner's process, each with the pages they share."
  }

  /// What somebody needs who wants to see the same again.
  private static func facts(_ result: BenchmarkResult) -> String {
    let facts = [
      ("Machine", result.machine), ("Noise", Sentences.noise(result.noise)), ("Measured", result.startedAt),
      ("Seed", "\(result.plan.seed)"), ("Command", result.command),
    ]
    let entries = facts.filter { !$0.1.isEmpty }.map { name, text in
      let shown = name == "Command" ? "<code>\(escaped(text))</code>" : escaped(text)
      return "<dt>\(name)</dt><dd>\(shown)</dd>"
    }
    return "<dl>\(entries.joined())</dl>"
  }

  /// The charts of each load; those of many loads are there when somebody asks for them.
  private static func perLoad(_ result: BenchmarkResult, _ chart: (Int) -> String) -> String {
    let charts = (0..<(result.subjects.map(\.loads.count).min() ?? 0)).map(chart)
    func section(_ charts: some Sequence<String>) -> String { "<div class=\"charts\">\(charts.joined())</div>" }
    let shown = section(charts.prefix(openLoads))
    let rest = charts.dropFirst(openLoads)
    if rest.isEmpty { return shown }
    return shown + "<details><summary>The same for \(rest.count) more loads</summary>\(section(rest))</details>"
  }

  private static let openLoads = 4

  private static func verdicts(_ result: BenchmarkResult) -> String {
    let lines = result.comparisons.map { comparison in
      let text = escaped(Sentences.verdict(comparison, leastEffect: result.plan.leastEffect))
      return "<li class=\"\(comparison.verdict.word)\">\(text)</li>"
    }
    return "<ul class=\"verdicts\">\(lines.joined())</ul>"
  }

  private static func legend(_ result: BenchmarkResult) -> String {
    let entries = result.subjects.enumerated().map { index, subject in
      let role = index == 0 && result.subjects.count > 1 ? " (reference)" : ""
      return "<span>\(HTMLTable.swatch(subject.name, result))\(escaped(subject.name))\(role)</span>"
    }
    return "<p class=\"legend\">\(entries.joined())</p>"
  }

  private static func list(_ lines: [String], _ kind: String) -> String {
    "<ul class=\"\(kind)\">" + lines.map { "<li>\(escaped($0))</li>" }.joined() + "</ul>"
  }

  static func escaped(_ text: String) -> String {
    var result = ""
    for character in Table.printable(text) {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }
}
