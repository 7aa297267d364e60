import StadionClient

/// A benchmark for a terminal: what is wrong first, then the figures, then what they mean.
package enum TextReport {
  package static func make(_ result: BenchmarkResult) -> String {
    var parts: [String] = []
    let mismatches = Sentences.mismatches(result)
    if !mismatches.isEmpty { parts.append(mismatches.map { Table.printable("!! \($0)") }.joined(separator: "\n")) }
    parts.append(Table.printable("\(result.model)  \(Sentences.inputs(result))"))
    parts.append(table(Rows.loadHeadings(hasBatches: result.hasBatches), Rows.loads(result)))
    let ways = Rows.ways(WayCost.all(result))
    if !ways.isEmpty { parts.append(table(Rows.wayHeadings, ways)) }
    parts.append(table(Rows.startHeadings, Rows.starts(result)))
    let parity = Rows.parity(result)
    if !parity.isEmpty { parts.append(table(Rows.parityHeadings, parity)) }
    let searches = Rows.searches(result)
    if !searches.isEmpty { parts.append(table(Rows.searchHeadings, searches)) }
    if !result.comparisons.isEmpty {
      parts.append(table(Rows.ratioHeadings, Rows.ratios(result)))
      parts.append(
        result.comparisons.map { Table.printable(Sentences.verdict($0, leastEffect: result.plan.leastEffect)) }
          .joined(separator: "\n"))
    }
    var notes = Sentences.warnings(result).map { "note: \($0)" }
    notes.append("noise: \(Sentences.noise(result.noise))")
    parts.append(notes.map { Table.printable($0) }.joined(separator: "\n"))
    return parts.joined(separator: "\n\n")
  }

  private static func table(_ headings: [String], _ rows: [[String]]) -> String {
    var table = Table(headings)
    for row in rows { table.add(row) }
    return table.text
  }
}
