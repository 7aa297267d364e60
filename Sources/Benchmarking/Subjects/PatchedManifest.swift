import Wire

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
