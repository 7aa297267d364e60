import CStadionRunner

/// The text pairs of a manifest (at `create`) or of a model's `model.json` (at `load`), copied.
public struct Options: Sendable {
  public let pairs: [(key: String, value: String)]

  init(_ options: UnsafePointer<stadion_option>?, _ count: Int) {
    pairs = UnsafeBufferPointer(start: options, count: options == nil ? 0 : count).map {
      (String($0.key), String($0.value))
    }
  }

  /// The value of `key`; the last one if it was given twice.
  public subscript(key: String) -> String? { pairs.last { $0.key == key }?.value }

  /// - Throws: `.invalidArgument` for a key that isn't among `known`, so that a typing mistake is seen.
  public func check(known: [String]) throws(RunnerError) {
    guard let stranger = pairs.first(where: { !known.contains($0.key) }) else { return }
    throw RunnerError(
      .invalidArgument, "unknown option \(stranger.key); known are \(known.joined(separator: ", "))")
  }

  /// - Throws: `.invalidArgument` unless the value is a whole number within `range`.
  public func integer(_ key: String, in range: ClosedRange<Int>) throws(RunnerError) -> Int? {
    guard let text = self[key] else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw RunnerError(
        .invalidArgument, "option \(key) is \"\(text)\"; want \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// - Throws: `.invalidArgument` unless the value is 0 or 1.
  public func flag(_ key: String) throws(RunnerError) -> Bool? {
    try integer(key, in: 0...1).map { $0 == 1 }
  }

  /// - Throws: `.invalidArgument` unless the value is one of `choices`.
  public func choice(_ key: String, of choices: [String]) throws(RunnerError) -> String? {
    guard let text = self[key] else { return nil }
    guard choices.contains(text) else {
      throw RunnerError(
        .invalidArgument, "option \(key) is \"\(text)\"; want one of \(choices.joined(separator: ", "))")
    }
    return text
  }
}

extension String {
  /// Bytes that aren't UTF-8 become U+FFFD.
  init(_ text: stadion_text) {
    guard let data = text.data else {
      self = ""
      return
    }
    self = String(decoding: UnsafeRawBufferPointer(start: data, count: text.size), as: UTF8.self)
  }
}
