/// One `--runner` of the command line: whose runner, with which options beside its manifest's.
package struct RunnerWish: Sendable, Equatable {
  /// An id, or its last word; or the path of a manifest.
  package let runner: String
  package let options: [(key: String, value: String)]
  /// As typed: what tables call it.
  package let text: String

  /// - Parameter text: `ID`, `ID,KEY=VALUE,…` or `FILE.runner.json,…`; nil when it is something else.
  package init?(_ text: String) {
    var parts = text.split(separator: ",", omittingEmptySubsequences: false)
    runner = String(parts.removeFirst())
    var options: [(String, String)] = []
    for part in parts {
      guard let equals = part.firstIndex(of: "="), equals != part.startIndex else { return nil }
      options.append((String(part[..<equals]), String(part[part.index(after: equals)...])))
    }
    guard !runner.isEmpty else { return nil }
    self.options = options
    self.text = text
  }

  /// The same runner once for each value of an option.
  ///
  /// - Parameter text: `KEY=VALUE,VALUE,…`; nil when it is something else, or when this wish has a value for it.
  package func swept(_ text: String) -> [RunnerWish]? {
    guard let equals = text.firstIndex(of: "="), equals != text.startIndex else { return nil }
    let key = text[..<equals]
    guard !key.contains(","), !options.contains(where: { $0.key == key }) else { return nil }
    let values = text[text.index(after: equals)...].split(separator: ",", omittingEmptySubsequences: false)
    guard !values.contains(where: { $0.isEmpty || $0.contains("=") }) else { return nil }
    return values.compactMap { RunnerWish("\(self.text),\(key)=\($0)") }
  }

  package static func == (a: RunnerWish, b: RunnerWish) -> Bool { a.text == b.text }

  package var isFile: Bool { runner.hasSuffix(".json") }

  /// `org.stadion.echo` is also called `echo`.
  package func names(_ id: String) -> Bool {
    id == runner || id.split(separator: ".").last.map(String.init) == runner
  }
}
