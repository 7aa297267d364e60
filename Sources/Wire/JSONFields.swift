/// Reads the members of one JSON object by name and notes everything that is wrong, so that one look names it all.
///
/// A member that is `null` counts as absent. Each reading function returns nil for what is absent or wrong.
package struct JSONFields {
  package struct Complaint: Error, Sendable, Equatable {
    /// Path of the member, as `devices[1].kind`.
    package let key: String
    package let message: String
    package let suggestion: String?
  }

  private let members: [JSONValue.Member]
  private let path: String
  private var asked: [String] = []
  package private(set) var complaints: [Complaint] = []
  /// What is harmless, as members that nobody asked for.
  package private(set) var notes: [Complaint] = []
  /// Every path that was asked for, as `devices[0].kind`: what the reader of a format knows.
  package private(set) var askedPaths: Set<String> = []

  /// - Parameter path: Where the object stands; empty for the whole text.
  package init(_ members: [JSONValue.Member], at path: String = "") {
    self.members = members
    self.path = path
  }

  /// What is there, in the order of the text.
  package var keys: [String] { members.map(\.key) }

  /// The full path of a member.
  package func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  package mutating func complain(_ key: String, _ message: String, suggestion: String? = nil) {
    complaints.append(Complaint(key: path(of: key), message: message, suggestion: suggestion))
  }

  package mutating func note(_ key: String, _ message: String, suggestion: String? = nil) {
    notes.append(Complaint(key: path(of: key), message: message, suggestion: suggestion))
  }

  private mutating func value(_ key: String, must: Bool) -> JSONValue? {
    asked.append(key)
    askedPaths.insert(path(of: key))
    let value = members.first { $0.key == key }?.value
    if let value, value != .null { return value }
    if must { complain(key, "is missing", suggestion: nearMiss(of: key).map { "is \"\($0)\" meant for it?" }) }
    return nil
  }

  private func nearMiss(of key: String) -> String? {
    NearestWord.to(key, among: members.lazy.map(\.key).filter { !asked.contains($0) })
  }

  private mutating func wrongKind(_ key: String, _ wanted: String, _ value: JSONValue) {
    complain(key, "is \(value.kindName), \(wanted) is wanted")
  }

  /// Any value, untouched.
  package mutating func any(_ key: String) -> JSONValue? { value(key, must: false) }

  package mutating func text(_ key: String, must: Bool = false) -> String? {
    guard let value = value(key, must: must) else { return nil }
    guard let text = value.string else {
      wrongKind(key, "a string", value)
      return nil
    }
    guard !text.utf8.contains(0) else {
      complain(key, "contains a NUL character")
      return nil
    }
    return text
  }

  package mutating func bool(_ key: String, must: Bool = false) -> Bool? {
    guard let value = value(key, must: must) else { return nil }
    guard let bool = value.bool else {
      wrongKind(key, "true or false", value)
      return nil
    }
    return bool
  }

  package mutating func int(_ key: String, in range: ClosedRange<Int>, must: Bool = false) -> Int? {
    guard let value = value(key, must: must) else { return nil }
    guard case .number(let digits) = value else {
      wrongKind(key, "an integer", value)
      return nil
    }
    guard let int = value.int, range.contains(int) else {
      let upper =
        range.upperBound == Int.max ? "at least \(range.lowerBound)" : "of \(range.lowerBound)...\(range.upperBound)"
      complain(key, "is \(digits), an integer \(upper) is wanted")
      return nil
    }
    return int
  }

  /// One of the raw values of `Word`.
  package mutating func word<Word: CaseIterable & RawRepresentable<String>>(
    _ key: String, _ type: Word.Type = Word.self, must: Bool = false
  ) -> Word? {
    guard let text = text(key, must: must) else { return nil }
    if let word = Word(rawValue: text) { return word }
    let words = Word.allCases.map(\.rawValue)
    complain(
      key, "is \"\(text)\", one of \(words.joined(separator: ", ")) is wanted",
      suggestion: NearestWord.to(text, among: words).map { "is \"\($0)\" meant?" })
    return nil
  }

  package mutating func texts(_ key: String, must: Bool = false) -> [String]? {
    guard let value = value(key, must: must) else { return nil }
    guard let elements = value.array else {
      wrongKind(key, "an array of strings", value)
      return nil
    }
    var texts: [String] = []
    for (index, element) in elements.enumerated() {
      guard let text = element.string, !text.utf8.contains(0) else {
        wrongKind("\(key)[\(index)]", "a string without NUL", element)
        return nil
      }
      texts.append(text)
    }
    return texts
  }

  package mutating func textMap(_ key: String) -> [String: String]? {
    guard let value = value(key, must: false) else { return nil }
    guard let members = value.members else {
      wrongKind(key, "an object of strings", value)
      return nil
    }
    var map: [String: String] = [:]
    for member in members {
      guard let text = member.value.string, !text.utf8.contains(0), !member.key.utf8.contains(0) else {
        complain(
          "\(key).\(member.key)", "is \(member.value.kindName), a string without NUL is wanted",
          suggestion: "write it in quotes")
        return nil
      }
      map[member.key] = text
    }
    return map
  }

  package mutating func object<T>(_ key: String, must: Bool = false, _ read: (inout JSONFields) -> T) -> T? {
    guard let value = value(key, must: must) else { return nil }
    guard let members = value.members else {
      wrongKind(key, "an object", value)
      return nil
    }
    return nested(members, key, read)
  }

  package mutating func objects<T>(_ key: String, must: Bool = false, _ read: (inout JSONFields) -> T) -> [T]? {
    guard let value = value(key, must: must) else { return nil }
    guard let elements = value.array else {
      wrongKind(key, "an array of objects", value)
      return nil
    }
    var result: [T] = []
    for (index, element) in elements.enumerated() {
      guard let members = element.members else {
        wrongKind("\(key)[\(index)]", "an object", element)
        continue
      }
      result.append(nested(members, "\(key)[\(index)]", read))
    }
    return result
  }

  private mutating func nested<T>(_ members: [JSONValue.Member], _ key: String, _ read: (inout JSONFields) -> T) -> T {
    var fields = JSONFields(members, at: path(of: key))
    let result = read(&fields)
    fields.end()
    complaints += fields.complaints
    notes += fields.notes
    askedPaths.formUnion(fields.askedPaths)
    return result
  }

  /// Collects what nobody asked for. Objects below have done so by themselves.
  package mutating func end() {
    for member in members where !asked.contains(member.key) {
      let guess = NearestWord.to(member.key, among: asked)
      note(
        member.key, "is not a known key",
        suggestion: guess.map { "is \"\($0)\" meant?" } ?? "known here: \(asked.joined(separator: ", "))")
    }
  }
}
