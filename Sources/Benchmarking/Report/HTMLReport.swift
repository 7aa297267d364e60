import StadionClient

/// A benchmark as one HTML file: no scripts, nothing from a network, light and dark.
package enum HTMLReport {
  package static func make(_ result: BenchmarkResult) -> String {
    var body: [String] = []
    body.append("<h1>\(escaped(result.model))</h1><p class=\"quiet\">\(escaped(Sentences.inputs(result)))</p>")
    let mismatches = Sentences.mismatches(result)
    if !mismatches.isEmpty { body.append(list(mismatches, "bad")) }
    if !result.comparisons.isEmpty {
      body.append(
        list(result.comparisons.map { Sentences.verdict($0, leastEffect: result.plan.leastEffect) }, "verdicts"))
    }
    body.append(legend(result))
    body.append("<h2>Latency</h2>" + table(Rows.loadHeadings, Rows.loads(result), result))
    body.append("<div class=\"charts\">" + latencies(result) + "</div>")
    if !result.comparisons.isEmpty {
      body.append("<h2>Beside the reference</h2>" + table(Rows.ratioHeadings, Rows.ratios(result), result))
    }
    body.append("<h2>Throughput and memory</h2><div class=\"charts\">")
    body.append(ThroughputChart.make(result) + MemoryChart.make(result) + "</div>")
    body.append(table(Rows.startHeadings, Rows.starts(result), result))
    let searches = Rows.searches(result)
    if !searches.isEmpty { body.append("<h2>Highest rate</h2>" + table(Rows.searchHeadings, searches, result)) }
    let parity = Rows.parity(result)
    if !parity.isEmpty {
      body.append("<h2>Parity with \(escaped(result.subjects[0].name))</h2>")
      body.append("<div class=\"charts\">" + ParityChart.make(result) + "</div>")
      body.append(table(Rows.parityHeadings, parity, result))
    }
    let warnings = Sentences.warnings(result)
    body.append("<h2>How far to trust this</h2>")
    if !warnings.isEmpty { body.append(list(warnings, "notes")) }
    body.append("<p class=\"quiet\">\(escaped(method(result)))</p>")
    return """
      <!doctype html>
      <html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(result.model)): stadion bench</title>
      <style>\(style)</style>
      <main>
      \(body.joined(separator: "\n"))
      </main></html>

      """
  }

  private static func method(_ result: BenchmarkResult) -> String {
    let plan = result.plan
    return
      "\(result.machine); \(Sentences.noise(result.noise)). \(plan.rounds) rounds, in each of which all runners have "
      + "their turn in random order, \(Format.number(plan.duration / .seconds(1))) s per runner and load. Percentiles come "
      + "from histograms of all requests with three significant digits; a share that less than one request stands for "
      + "isn't shown. Intervals come from starts of the runner, where there are ten, else from rounds, with "
      + "\(Format.percent(plan.confidence)) confidence over all verdicts together; differences below "
      + "\(Format.percent(plan.leastEffect)) count as none. Open loops measure from when a request should have begun. Host "
      + "cost is the mean latency of one connection without the mean run, as the server's statistics tell it. Peak "
      + "memory is that of the host and the runner's process, each with the pages they share."
  }

  private static func latencies(_ result: BenchmarkResult) -> String {
    let count = result.subjects.map(\.loads.count).min() ?? 0
    return (0..<count).map { DistributionChart.make(result, $0) + PercentileChart.make(result, $0) }.joined()
  }

  private static func legend(_ result: BenchmarkResult) -> String {
    let entries = result.subjects.enumerated().map { index, subject in
      let role = index == 0 && result.subjects.count > 1 ? " (reference)" : ""
      return "<span><i class=\"b\(index % 6)\"></i>\(escaped(subject.name))\(role)</span>"
    }
    return "<p class=\"legend\">\(entries.joined())</p>"
  }

  private static func list(_ lines: [String], _ kind: String) -> String {
    "<ul class=\"\(kind)\">" + lines.map { "<li>\(escaped($0))</li>" }.joined() + "</ul>"
  }

  private static func table(_ headings: [String], _ rows: [[String]], _ result: BenchmarkResult) -> String {
    let head = headings.map { "<th>\(escaped($0))</th>" }.joined()
    let lines = rows.map { row in
      let isBad = row.contains { $0.hasPrefix("FAIL") }
      return "<tr\(isBad ? " class=\"bad\"" : "")>" + row.map { "<td>\(escaped($0))</td>" }.joined() + "</tr>"
    }
    return "<div class=\"wide\"><table><tr>\(head)</tr>\(lines.joined())</table></div>"
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

  // Colours that stay apart for the colour-blind (Okabe and Ito), lighter in the dark.
  private static let style = """
    :root{color-scheme:light dark;--ink:#1c2024;--quiet:#667078;--line:#d8dde1;--back:#fff;--bad:#b3261e;
    --c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b0579a;--c4:#8a6d00;--c5:#3d3d8f}
    @media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--quiet:#9aa5ae;--line:#353c43;--back:#14181b;--bad:#ff8a80;
    --c0:#56b4e9;--c1:#ff8c42;--c2:#3ddc97;--c3:#e39ccf;--c4:#f0e442;--c5:#a9a9ff}}
    *{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
    main{max-width:1080px;margin:0 auto;padding:24px 20px 60px}h1{font-size:26px;margin:0}
    h2{font-size:18px;margin:36px 0 10px}.quiet{color:var(--quiet);margin:4px 0}
    ul{padding-left:20px}.verdicts{font-size:17px;padding:0;list-style:none}.bad{color:var(--bad);font-weight:600}
    ul.bad{border:2px solid var(--bad);border-radius:6px;padding:10px 10px 10px 30px}
    .wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;white-space:nowrap}
    th{font-size:12px;color:var(--quiet);font-weight:600;text-align:left}
    td,th{padding:5px 18px 5px 0;border-bottom:1px solid var(--line)}
    .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:20px;margin:16px 0}
    figure{margin:0}figcaption{font-size:13px;color:var(--quiet)}svg{width:100%;height:auto;display:block}
    svg text{fill:var(--quiet);font:11px system-ui,sans-serif}.grid{stroke:var(--line)}
    .legend span{margin-right:18px;white-space:nowrap}.legend i{display:inline-block;width:12px;height:12px;
    border-radius:3px;margin-right:6px;vertical-align:-1px}
    path,polyline{fill:none;stroke-width:2}.area{fill-opacity:.14;stroke-width:1.6}
    \((0..<6).map { ".b\($0){background:var(--c\($0))}.l\($0){stroke:var(--c\($0))}.f\($0){fill:var(--c\($0))}" }.joined())
    """
}
