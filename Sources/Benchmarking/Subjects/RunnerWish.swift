import Inference
import Wire

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

  package static func == (a: RunnerWish, b: RunnerWish) -> Bool { a.text == b.text }

  package var isFile: Bool { runner.hasSuffix(".json") }

  /// `org.stadion.echo` is also called `echo`.
  package func names(_ id: String) -> Bool {
    id == runner || id.split(separator: ".").last.map(String.init) == runner
  }
}

/// A manifest's text with other options, and with paths that hold in any folder.
enum PatchedManifest {
  /// - Parameters:
  ///   - folder: Where the manifest lies, absolute, links resolved.
  ///   - model: The model's folder, which lies outside the repository of the benchmark's host and must be readable.
  static func make(
    _ json: JSONValue, from folder: String, options: [(key: String, value: String)], model: String
  ) -> JSONValue {
    guard case .object(var members) = json else { return json }
    let given = Dictionary(options.map { ($0.key, $0.value) }) { $1 }
    var all = (json["options"]?.members ?? []).filter { given[$0.key] == nil }
    all += given.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }
    set(&members, "options", .object(all))
    var access = json["access"]?.members ?? []
    set(&access, "read", .array((json["access"]?["read"]?.array ?? []) + [.string(model)]))
    set(&members, "access", .object(access))
    members = members.map { .init($0.key, absolute($0.value, folder)) }
    if let path = json["library"]?["path"]?.string, !path.hasPrefix("/"), !path.hasPrefix("@") {
      var library = json["library"]?.members ?? []
      set(&library, "path", .string("\(folder)/\(path)"))
      set(&members, "library", .object(library))
    }
    return .object(members)
  }

  private static func set(_ members: inout [JSONValue.Member], _ key: String, _ value: JSONValue) {
    if let index = members.firstIndex(where: { $0.key == key }) {
      members[index].value = value
    } else {
      members.append(.init(key, value))
    }
  }

  /// `@manifest/…` would mean the new folder.
  private static func absolute(_ value: JSONValue, _ folder: String) -> JSONValue {
    switch value {
    case .string(let text) where text.hasPrefix("@manifest/"): .string(folder + text.dropFirst("@manifest".count))
    case .array(let elements): .array(elements.map { absolute($0, folder) })
    case .object(let members): .object(members.map { .init($0.key, absolute($0.value, folder)) })
    default: value
    }
  }
}
