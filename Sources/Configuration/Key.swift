import Wire

/// One value that operators set. Declared once: its flag, its variable, its place in the file and its line in
/// docs/configuration.md follow from it.
package struct Key<Settings>: Sendable {
  /// Objects of the file, joined by dots: `serving.maxBodyBytes`. A name ends with its unit, if it has one.
  package let path: String
  /// Of `stadion serve`, with its dashes.
  package let flag: String
  package let kind: Kind
  /// SIGHUP changes it in a running host.
  package let isReloadable: Bool
  package let help: String
  /// What the switch that turns it off does.
  package let negativeHelp: String
  /// What stands for a default that is no value, as "one per core".
  let standard: String?
  /// Null for an optional that isn't set.
  let read: @Sendable (Settings) -> JSONValue
  /// Given values have passed `Kind.problem(with:)`.
  let write: @Sendable (inout Settings, JSONValue) -> Void

  fileprivate init(
    _ path: String, _ kind: Kind, flag: String?, standard: String? = nil, reloads: Bool, _ help: String,
    negativeHelp: String = "",
    read: @escaping @Sendable (Settings) -> JSONValue, write: @escaping @Sendable (inout Settings, JSONValue) -> Void
  ) {
    self.path = path
    self.kind = kind
    self.flag = flag ?? "--\(Self.words(path.split(separator: ".").last ?? "").joined(separator: "-"))"
    self.standard = standard
    isReloadable = reloads
    self.help = help
    self.negativeHelp = negativeHelp
    self.read = read
    self.write = write
  }

  /// `STADION_SERVING_MAX_BODY_BYTES`.
  package var variable: String {
    "STADION_" + path.split(separator: ".").flatMap { Self.words($0) }.joined(separator: "_").uppercased()
  }

  /// `maxBodyBytes` as `max body bytes`.
  private static func words(_ name: Substring) -> [String] {
    var words: [String] = [""]
    for letter in name {
      if letter.isUppercase { words.append("") }
      words[words.count - 1] += letter.lowercased()
    }
    return words
  }

  /// As the name says it; nil for counts, texts and the like.
  package var unit: String? {
    let units = [("Bytes", "bytes"), ("Micros", "µs"), ("Ms", "ms"), ("Seconds", "s"), ("Percent", "%")]
    return units.first { path.hasSuffix($0.0) }?.1
  }
}

// MARK: How keys are declared

extension Key {
  package typealias Field<Value> = any WritableKeyPath<Settings, Value> & Sendable

  package static func integer(
    _ path: String, _ range: ClosedRange<Int>, _ field: Field<Int>,
    flag: String? = nil, reloads: Bool = false, _ help: String
  ) -> Key {
    Key(path, .integer(range), flag: flag, reloads: reloads, help) {
      .integer($0[keyPath: field])
    } write: {
      if let number = $1.int { $0[keyPath: field] = number }
    }
  }

  package static func number(
    _ path: String, _ range: ClosedRange<Double>, _ field: Field<Double>, flag: String? = nil, reloads: Bool = false,
    _ help: String
  ) -> Key {
    Key(path, .number(range), flag: flag, reloads: reloads, help) {
      .number(String($0[keyPath: field]))
    } write: {
      if let number = $1.double { $0[keyPath: field] = number }
    }
  }

  /// - Parameter standard: What happens without a value.
  package static func optionalInteger(
    _ path: String, _ range: ClosedRange<Int>, _ field: Field<Int?>, standard: String,
    flag: String? = nil, reloads: Bool = false, _ help: String
  ) -> Key {
    Key(path, .integer(range), flag: flag, standard: standard, reloads: reloads, help) { settings in
      settings[keyPath: field].map { .integer($0) } ?? .null
    } write: {
      $0[keyPath: field] = $1.int
    }
  }

  /// - Parameter off: What `--no-…` does, where that is what people give.
  package static func bool(
    _ path: String, _ field: Field<Bool>, flag: String? = nil, reloads: Bool = false,
    _ help: String, off: String = ""
  ) -> Key {
    Key(path, .bool, flag: flag, reloads: reloads, help, negativeHelp: off) {
      .bool($0[keyPath: field])
    } write: {
      if let value = $1.bool { $0[keyPath: field] = value }
    }
  }

  /// - Parameter meaning: What stands for the value in help, as "PATH".
  package static func text(
    _ path: String, _ meaning: String, _ field: Field<String?>, standard: String,
    flag: String? = nil, reloads: Bool = false, _ help: String
  ) -> Key {
    Key(path, .text(meaning), flag: flag, standard: standard, reloads: reloads, help) { settings in
      settings[keyPath: field].map { .string($0) } ?? .null
    } write: {
      $0[keyPath: field] = $1.string
    }
  }

  package static func word(
    _ path: String, _ words: [String], _ field: Field<String>, flag: String? = nil,
    reloads: Bool = false, _ help: String
  ) -> Key {
    Key(path, .word(words), flag: flag, reloads: reloads, help) {
      .string($0[keyPath: field])
    } write: {
      if let word = $1.string { $0[keyPath: field] = word }
    }
  }

  /// - Parameter separator: Between elements in flags and variables; the file has an array.
  package static func list(
    _ path: String, _ meaning: String, separator: Character, _ field: Field<[String]?>,
    standard: String, flag: String? = nil, reloads: Bool = false, _ help: String
  ) -> Key {
    Key(
      path, .list(meaning, separator: separator), flag: flag, standard: standard, reloads: reloads, help
    ) { settings in
      settings[keyPath: field].map { .array($0.map { .string($0) }) } ?? .null
    } write: {
      $0[keyPath: field] = $1.array?.compactMap(\.string)
    }
  }
}
