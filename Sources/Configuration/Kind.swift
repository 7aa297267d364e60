import Wire

/// What a key's values are.
package enum Kind: Sendable {
  case integer(ClosedRange<Int>)
  case number(ClosedRange<Double>)
  case bool
  /// The text is what stands for it in help.
  case text(String)
  case word([String])
  case list(String, separator: Character)

  /// What stands for the value behind the flag; nil for a switch.
  package var meaning: String? {
    switch self {
    case .integer: "N"
    case .number: "X"
    case .bool: nil
    case .text(let meaning), .list(let meaning, _): meaning
    case .word: "WORD"
    }
  }

  /// What is wanted, for messages and the reference.
  package var wanted: String {
    switch self {
    case .integer(let range) where range.upperBound == .max: "an integer from \(range.lowerBound)"
    case .integer(let range): "an integer from \(range.lowerBound) to \(range.upperBound)"
    case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
    case .bool: "true or false"
    case .text: "a string"
    case .word(let words): "one of \(words.map { "\"\($0)\"" }.joined(separator: ", "))"
    case .list: "an array of strings"
    }
  }

  /// The value that a flag or a variable means; what can't be one of this kind stays a string, which is refused later.
  func value(of text: String) -> JSONValue {
    switch self {
    case .integer: Int(text).map { .integer($0) } ?? .string(text)
    case .number: Double(text).map { .number(String($0)) } ?? .string(text)
    case .bool:
      ["true": true, "1": true, "false": false, "0": false][text.lowercased()].map { .bool($0) } ?? .string(text)
    case .text, .word: .string(text)
    case .list(_, let separator): .array(text.split(separator: separator).map { .string(String($0)) })
    }
  }

  /// What is wrong with a value, with the value; nil for nothing.
  func problem(with value: JSONValue) -> String? {
    let isRight =
      switch self {
      case .integer(let range): value.int.map { range.contains($0) } ?? false
      case .number(let range): value.double.map { range.contains($0) } ?? false
      case .bool: value.bool != nil
      case .text: value.string.map { !$0.isEmpty && !$0.utf8.contains(0) } ?? false
      case .word(let words): value.string.map { words.contains($0) } ?? false
      case .list: value.array.map { $0.allSatisfy { !($0.string ?? "").isEmpty } } ?? false
      }
    if isRight { return nil }
    let shown = value.text
    var text = "is \(shown.utf8.count > 80 ? String(shown.prefix(80)) + "…" : shown), \(wanted) is wanted"
    if case .word(let words) = self, let typed = value.string, let near = NearestWord.to(typed, among: words) {
      text += "; is \"\(near)\" meant?"
    }
    return text
  }
}
