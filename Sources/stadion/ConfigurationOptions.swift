import CLinux
import Configuration
import Manifests
import StadionClient

/// Keys as options of `stadion serve`.
enum ConfigurationOptions {
  static let options: [CommandSpec.Option] =
    [
      .init(
        "--config", value: "FILE", help: "JSON file with the keys of docs/configuration.md, read again at SIGHUP."),
      .init("--print-config", help: "Print every key's value and where it comes from, and exit."),
      .init("--json", help: "With --print-config: as JSON."),
    ] + HostSettings.all.flatMap { options(of: $0) }

  private static func options(of key: HostSettings.HostKey) -> [CommandSpec.Option] {
    let standard = key.standardText(HostSettings())
    guard let meaning = key.kind.meaning else {
      // Help names the switch that changes something.
      return [
        .init(key.flag, help: key.help, isHidden: standard == "true"),
        .init(key.negativeFlag, help: key.negativeHelp, isHidden: standard == "false"),
      ]
    }
    let unit = key.unit.map { " \($0)" } ?? ""
    let help = "\(key.help) (default: \(standard)\(unit))"
    var isRepeated = false
    if case .list = key.kind { isRepeated = true }
    return [.init(key.flag, value: meaning, isRepeated: isRepeated, help: help)]
  }

  static func places(_ arguments: Arguments) throws -> Configuration<HostSettings>.Places {
    var places = Configuration<HostSettings>.Places()
    // Whoever starts a program with rights that they lack must not steer it.
    places.environment = ProcessPrivileges.areRaised ? [:] : environment()
    places.otherVariables = ["STADION_CONFIG"] + ManifestSearch.environmentNames
    places.file = arguments.value("--config") ?? places.environment["STADION_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
    for key in HostSettings.all {
      if arguments.has(key.flag) {
        places.flags[key.flag] = key.kind.meaning == nil ? ["true"] : arguments.values(key.flag)
      }
      guard key.kind.meaning == nil, arguments.has(key.negativeFlag) else { continue }
      guard places.flags[key.flag] == nil else {
        throw UsageError("\(key.flag) and \(key.negativeFlag) exclude each other")
      }
      places.flags[key.flag] = ["false"]
    }
    return places
  }

  static func environment() -> [String: String] {
    var variables: [String: String] = [:]
    var next = linux_environment()
    while let text = next?.pointee {
      let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
      next = next.map { $0 + 1 }
    }
    return variables
  }
}
