/// Rows with aligned columns, for people.
package struct Table {
  private var rows: [[String]] = []

  package init(_ headings: [String] = []) { if !headings.isEmpty { rows.append(headings) } }

  package mutating func add(_ cells: String...) { rows.append(cells) }
  package mutating func add(_ cells: [String]) { rows.append(cells) }

  /// Lines with two spaces between columns and none at their ends. Control characters are replaced: what a server
  /// or a file says must not command the terminal.
  package var text: String {
    let clean = rows.map { $0.map(Self.printable) }
    let columns = clean.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in clean.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return clean.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        line += cell + String(repeating: " ", count: widths[column] - cell.count + 2)
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }

  package static func printable(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      let isControl = scalar.value < 32 || (127..<160).contains(scalar.value)
      result.append(isControl ? "\u{FFFD}" : scalar)
    }
    return String(result)
  }
}
