package import Wire

extension Configuration {
  /// A row per key: its path, its value and where that comes from.
  package var rows: [(path: String, value: String, origin: String)] {
    keys.map { ($0.path, shown($0), origin(of: $0.path).description) }
  }

  /// `{"serving.maxBodyBytes": {"value": …, "from": "default"}, …}`.
  package var json: JSONValue {
    .object(
      keys.map { key in
        .init(key.path, ["value": key.read(settings), "from": .string(origin(of: key.path).description)])
      })
  }

  private func shown(_ key: Key<Settings>) -> String {
    let value = key.read(settings)
    if value == .null, let standard = key.standard { return "(\(standard))" }
    return value.text + (key.unit.map { " \($0)" } ?? "")
  }

  /// docs/configuration.md's tables, one per group; `settings` are the defaults.
  package static func reference(_ keys: [Key<Settings>], standard settings: Settings) -> String {
    var groups: [(name: String, keys: [Key<Settings>])] = []
    for key in keys {
      let parts = key.path.split(separator: ".")
      let name = parts.count > 1 ? String(parts[0]) : ""
      if let index = groups.firstIndex(where: { $0.name == name }) {
        groups[index].keys.append(key)
      } else {
        groups.append((name, [key]))
      }
    }
    return groups.map { table($0.name, $0.keys, settings) }.joined(separator: "\n")
  }

  private static func table(_ group: String, _ keys: [Key<Settings>], _ settings: Settings) -> String {
    var lines = ["## \(group.isEmpty ? "The host" : "`\(group)`")", ""]
    lines.append("| key | flag | value | default | SIGHUP | meaning |")
    lines.append("|---|---|---|---|---|---|")
    for key in keys {
      let flag = key.kind.meaning == nil && key.read(settings) == true ? key.negativeFlag : key.flag
      let value = key.read(settings)
      let standard = value == .null ? key.standard ?? "none" : "`\(value.text)`"
      let wanted = key.kind.wanted + (key.unit.map { ", \($0)" } ?? "")
      let cells = ["`\(key.path)`", "`\(flag)`", wanted, standard, key.isReloadable ? "changes" : "–", key.help]
      lines.append("| \(cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ")) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension Key {
  /// What switches a switch off.
  package var negativeFlag: String { "--no-" + flag.dropFirst(2) }

  /// The default as help shows it.
  package func standardText(_ settings: Settings) -> String {
    let value = read(settings)
    return value == .null ? standard ?? "none" : value.string ?? value.text
  }
}
