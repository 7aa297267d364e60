import Wire

/// Everything that is wrong with a configuration, a line each.
package struct ConfigurationError: Error, Sendable, Equatable {
  package let problems: [String]
}

/// Settings, and where each comes from: defaults, under one file, under variables, under flags.
package struct Configuration<Settings: Sendable>: Sendable {
  /// Where values are looked for, the same at each reload.
  package struct Places: Sendable {
    package var file: String?
    package var environment: [String: String] = [:]
    /// Variables that mean something elsewhere.
    package var otherVariables: [String] = []
    /// What was given, by flag; a key's `--no-…` counts as its flag with "false".
    package var flags: [String: [String]] = [:]

    package init() {}
  }

  package enum Origin: Sendable, Equatable, CustomStringConvertible {
    case standard
    case file(String, line: Int)
    case variable(String)
    case flag(String)

    package var description: String {
      switch self {
      case .standard: "default"
      case .file(let path, let line): "\(path):\(line)"
      case .variable(let name): "$\(name)"
      case .flag(let name): name
      }
    }
  }

  package let keys: [Key<Settings>]
  package private(set) var settings: Settings
  private var origins: [String: Origin] = [:]
  /// What is harmless, for the log.
  package private(set) var remarks: [String] = []
  private var problems: [String] = []

  /// Reads every place; blocks on the disk.
  package init(_ keys: [Key<Settings>], standard: Settings, from places: Places) throws(ConfigurationError) {
    let mistakes = Self.mistakes(in: keys, standard)
    precondition(mistakes.isEmpty, mistakes.joined(separator: "; "))
    self.keys = keys
    settings = standard
    if let file = places.file { read(file: file) }
    read(environment: places.environment, others: places.otherVariables)
    read(flags: places.flags)
    if !problems.isEmpty { throw ConfigurationError(problems: problems) }
  }

  /// What is wrong with how keys are declared: one name for two, or a default that its own range refuses.
  static func mistakes(in keys: [Key<Settings>], _ standard: Settings) -> [String] {
    var mistakes: [String] = []
    var taken: Set<String> = []
    for key in keys {
      let switches = key.kind.meaning == nil ? [key.negativeFlag] : []
      for name in [key.path, key.variable, key.flag] + switches where !taken.insert(name).inserted {
        mistakes.append("\(key.path): \(name) is taken")
      }
      let value = key.read(standard)
      if value != .null, let problem = key.kind.problem(with: value) {
        mistakes.append("\(key.path): its default \(problem)")
      }
    }
    // A key can't be an object of others, too.
    for key in keys where keys.contains(where: { $0.path.hasPrefix("\(key.path).") }) {
      mistakes.append("\(key.path): is a group")
    }
    return mistakes
  }

  package func origin(of path: String) -> Origin { origins[path] ?? .standard }

  private mutating func set(_ key: Key<Settings>, _ value: JSONValue, _ origin: Origin, called name: String) {
    if let problem = key.kind.problem(with: value) {
      problems.append("\(name) \(problem)")
    } else {
      key.write(&settings, value)
      origins[key.path] = origin
    }
  }

  // MARK: The file

  /// Far beyond any configuration; bounds what a wrong path can cost.
  private static var fileLimit: Int { 1 << 20 }

  private mutating func read(file path: String) {
    let text: [UInt8]
    do throws(SmallFile.Failure) { text = try SmallFile.read(path, limit: Self.fileLimit) } catch {
      return problems.append("\(path) \(error)")
    }
    do throws(JSONError) {
      let value = try JSONValue(parsing: text)
      guard let members = value.members else { return problems.append("\(path) is \(value.kindName), not an object") }
      let offsets = JSONLines.offsets(in: text)
      read(members, at: "") { .file(path, line: JSONLines.line(at: offsets[$0] ?? 0, in: text)) }
    } catch {
      problems.append("\(path):\(JSONLines.line(at: error.offset, in: text)): \(error.message)")
    }
  }

  private mutating func read(_ members: [JSONValue.Member], at group: String, _ origin: (String) -> Origin) {
    for member in members {
      let path = group.isEmpty ? member.key : "\(group).\(member.key)"
      let place = origin(path)
      if let key = keys.first(where: { $0.path == path }) {
        // As if it weren't there: a template may list what it doesn't set.
        if member.value != .null { set(key, member.value, place, called: "\(place): \(path)") }
      } else if keys.contains(where: { $0.path.hasPrefix("\(path).") }) {
        if let inner = member.value.members {
          read(inner, at: path, origin)
        } else if member.value != .null {
          problems.append("\(place): \(path) is \(member.value.kindName), an object is wanted")
        }
      } else {
        problems.append("\(place): \(path) is not a known key\(suggestion(for: path))")
      }
    }
  }

  /// The nearest of all keys, or the key of that name in another group.
  private func suggestion(for path: String) -> String {
    let name = path.split(separator: ".").last ?? ""
    let near =
      NearestWord.to(path, among: keys.map(\.path)) ?? keys.first { $0.path.hasSuffix(".\(name)") }?.path
    return near.map { "; is \"\($0)\" meant?" } ?? "; see docs/configuration.md"
  }

  // MARK: Variables and flags

  private mutating func read(environment: [String: String], others: [String]) {
    for key in keys {
      // An empty variable is one that isn't set.
      guard let text = environment[key.variable], !text.isEmpty else { continue }
      set(key, key.kind.value(of: text), .variable(key.variable), called: "$\(key.variable)")
    }
    // Not refused: container platforms invent variables for every service's name.
    let prefix = "STADION_"
    let known = keys.map(\.variable)
    for name in environment.keys.sorted() where name.hasPrefix(prefix) {
      guard !known.contains(name), !others.contains(name),
        let near = NearestWord.to(
          String(name.dropFirst(prefix.count)), among: known.map { $0.dropFirst(prefix.count) }.map(String.init))
      else { continue }
      remarks.append("$\(name) is not read; is $\(prefix)\(near) meant?")
    }
  }

  private mutating func read(flags: [String: [String]]) {
    for key in keys {
      guard let texts = flags[key.flag], let last = texts.last else { continue }
      var value = key.kind.value(of: last)
      if case .list = key.kind { value = .array(texts.flatMap { key.kind.value(of: $0).array ?? [] }) }
      set(key, value, .flag(key.flag), called: key.flag)
    }
  }

  // MARK: Reloading

  package struct Change: Sendable, Equatable {
    package let key: String
    package let old: String
    package let new: String
  }

  /// Takes from `next` what can change while the host runs.
  ///
  /// - Returns: What has changed, and what would need a restart.
  package mutating func adopt(_ next: Configuration) -> (made: [Change], waiting: [Change]) {
    var made: [Change] = []
    var waiting: [Change] = []
    for key in keys {
      let (old, new) = (key.read(settings), key.read(next.settings))
      if old == new && !key.isReloadable { continue }
      let change = Change(key: key.path, old: old.text, new: new.text)
      guard key.isReloadable else {
        waiting.append(change)
        continue
      }
      if old != new { made.append(change) }
      key.write(&settings, new)
      origins[key.path] = next.origins[key.path]
    }
    return (made, waiting)
  }
}
