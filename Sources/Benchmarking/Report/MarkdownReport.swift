/// A benchmark as Markdown, for a pull request or a wiki.
package enum MarkdownReport {
  package static func make(_ result: BenchmarkResult) -> String {
    var parts = ["## \(escaped(result.model))", escaped(Sentences.inputs(result))]
    parts += Sentences.mismatches(result).map { "**\(escaped($0))**" }
    parts += result.comparisons.map { "- \(escaped(Sentences.verdict($0, leastEffect: result.plan.leastEffect)))" }
    parts.append(table(Rows.loadHeadings(hasBatches: result.hasBatches), Rows.loads(result)))
    parts.append(table(Rows.startHeadings, Rows.starts(result)))
    for (headings, rows) in [
      (Rows.wayHeadings, Rows.ways(WayCost.all(result))),
      (Rows.ratioHeadings, Rows.ratios(result)), (Rows.parityHeadings, Rows.parity(result)),
      (Rows.searchHeadings, Rows.searches(result)),
    ] where !rows.isEmpty {
      parts.append(table(headings, rows))
    }
    parts += Sentences.warnings(result).map { "- note: \(escaped($0))" }
    parts.append("\(escaped(result.machine)); \(escaped(Sentences.noise(result.noise)))")
    return parts.joined(separator: "\n\n")
  }

  private static func table(_ headings: [String], _ rows: [[String]]) -> String {
    let lines = [headings, headings.map { _ in "---" }] + rows.map { $0.map(escaped) }
    return lines.map { "| \($0.joined(separator: " | ")) |" }.joined(separator: "\n")
  }

  /// Text that a model or a server chose: no markup, no new cell, no new line.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if "|\\`*_<>[]#".unicodeScalars.contains(scalar) { result.unicodeScalars.append("\\") }
      result.unicodeScalars.append(scalar.value < 32 ? " " : scalar)
    }
    return result
  }
}
