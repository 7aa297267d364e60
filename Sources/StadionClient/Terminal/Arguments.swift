import Wire

/// A mistake on the command line: exit code 2. The message says what to do instead.
package struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}

/// What a verb takes, and its help.
package struct CommandSpec: Sendable {
  package struct Option: Sendable {
    /// With its dashes: `--socket`.
    package let name: String
    /// What stands for the value in help; nil for a switch.
    package let value: String?
    package let isRepeated: Bool
    package let help: String
    /// Understood, but not listed.
    package let isHidden: Bool

    package init(
      _ name: String, value: String? = nil, isRepeated: Bool = false, help: String, isHidden: Bool = false
    ) {
      self.name = name
      self.value = value
      self.isRepeated = isRepeated
      self.help = help
      self.isHidden = isHidden
    }
  }

  /// As typed: `stadion runner show`.
  package let name: String
  package let summary: String
  /// What stands for each in help; all are needed.
  package let operands: [String]
  package let options: [Option]
  /// More help, in whole lines.
  package let details: String

  package init(
    _ name: String, _ summary: String, operands: [String] = [], options: [Option] = [], details: String = ""
  ) {
    self.name = name
    self.summary = summary
    self.operands = operands
    self.options = options + [Option("--help", help: "Print this and exit.")]
    self.details = details
  }

  package var help: String {
    let usage = ["usage:", name] + operands + ["[options]"]
    let options = options.filter { !$0.isHidden }
    let left = options.map { "  \($0.name)\($0.value.map { " " + $0 } ?? "")" }
    let width = left.map(\.count).max() ?? 0
    let lines = zip(left, options).map { $0 + String(repeating: " ", count: width - $0.count + 2) + $1.help }
    let tail = details.isEmpty ? [] : ["", details]
    return (["\(summary)", "", usage.joined(separator: " "), ""] + lines + tail).joined(separator: "\n")
  }
}

/// A parsed command line.
package struct Arguments: Sendable {
  package private(set) var operands: [String] = []
  private var found: [String: [String]] = [:]

  package func has(_ name: String) -> Bool { found[name] != nil }
  package func value(_ name: String) -> String? { found[name]?.last }
  package func values(_ name: String) -> [String] { found[name] ?? [] }

  /// - Throws: `UsageError` unless the value is an integer in `range`.
  package func integer(_ name: String, in range: ClosedRange<Int>) throws(UsageError) -> Int? {
    guard let text = value(name) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw UsageError("\(name) wants an integer from \(range.lowerBound) to \(range.upperBound), not \"\(text)\"")
    }
    return number
  }

  /// `--name value` and `--name=value`; `--` ends the options; `-` and negative numbers are operands. With `--help`
  /// nothing else is checked.
  package init(_ words: [String], for spec: CommandSpec) throws(UsageError) {
    if words.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
      found["--help"] = [""]
      return
    }
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" {
        operands += rest
        break
      }
      guard word.hasPrefix("-"), word != "-", Double(word) == nil else {
        operands.append(word)
        continue
      }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      guard let option = spec.options.first(where: { $0.name == name }) else {
        throw UsageError("unknown option \(name)\(Self.suggestion(for: name, among: spec.options.map(\.name), spec))")
      }
      var value = parts.count > 1 ? String(parts[1]) : nil
      if let meaning = option.value {
        if value == nil { value = rest.popFirst() }
        guard value != nil else { throw UsageError("\(name) wants a value: \(name) \(meaning)") }
      } else if value != nil {
        throw UsageError("\(name) takes no value")
      }
      if found[name] != nil, !option.isRepeated { throw UsageError("\(name) is given twice") }
      found[name, default: []].append(value ?? "")
    }
    if operands.count < spec.operands.count {
      throw UsageError("\(spec.operands[operands.count]) is missing; see `\(spec.name) --help`")
    }
    if operands.count > spec.operands.count {
      throw UsageError("\"\(operands[spec.operands.count])\" is one too many; see `\(spec.name) --help`")
    }
  }

  private static func suggestion(for name: String, among known: [String], _ spec: CommandSpec) -> String {
    NearestWord.to(name, among: known).map { "; did you mean \($0)?" } ?? "; see `\(spec.name) --help`"
  }
}
