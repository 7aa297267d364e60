/// A table of the HTML report: figures to the right, each runner with its colour, a line between loads.
enum HTMLTable {
  private static let words: Set = ["RUNNER", "LOAD", "ENGINE", "OUTPUT", "RESULT", "VERDICT", "WAY"]

  /// - Parameter group: The column whose change draws a line.
  static func make(_ headings: [String], _ rows: [[String]], _ result: BenchmarkResult, group: Int? = nil) -> String {
    let kinds = headings.map { words.contains($0) ? "" : " class=\"n\"" }
    let head = zip(headings, kinds).map { "<th scope=\"col\"\($1)>\(HTMLReport.escaped($0))</th>" }.joined()
    var last: String?
    let lines = rows.map { row in
      let key = group.map { row[$0] }
      let isNext = last != nil && key != last
      last = key
      let classes = (row.contains { $0.hasPrefix("FAIL") } ? ["bad"] : []) + (isNext ? ["next"] : [])
      let cells = row.enumerated().map { column, text in
        "<td\(kinds[column])>\(column == 0 ? swatch(text, result) : "")\(HTMLReport.escaped(text))</td>"
      }
      return "<tr\(classes.isEmpty ? "" : " class=\"\(classes.joined(separator: " "))\"")>\(cells.joined())</tr>"
    }
    return "<div class=\"wide\"><table><thead><tr>\(head)</tr></thead><tbody>\(lines.joined())</tbody></table></div>"
  }

  static func swatch(_ name: String, _ result: BenchmarkResult) -> String {
    result.subjects.firstIndex { $0.name == name }.map { "<i class=\"b\($0 % HTMLStyle.colourCount)\"></i>" } ?? ""
  }
}
