import StadionClient
import Wire

/// `stadion quota`: what a tenant may use and has used; with `--set` its limits change.
enum QuotaShow {
  static let spec = CommandSpec(
    "stadion quota", "Show what a tenant may use and has used; set its limits.",
    options: ClientOptions.facts + [
      CommandSpec.Option("--tenant", value: "ID", help: "Another tenant's; for the host's operators."),
      CommandSpec.Option(
        "--set", value: "LIMIT=N", isRepeated: true, help: "Set a limit, at once; 0 = no limit, `default` = as all."),
    ],
    details: """
      stadion quota --tenant acme --set requestsPerSecond=100 --set weight=2
      """)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let limits = try arguments.values("--set").map(limit)
    let client = try ClientOptions.client(arguments)
    var quota = try client.quota(of: arguments.value("--tenant"))
    if !limits.isEmpty { quota = try client.setQuota(of: quota.text("tenant"), limits) }
    if arguments.has("--json") { return print(quota.text) }
    print("tenant \(Table.printable(quota.text("tenant")))\n\n\(table(quota).text)")
    print("\n\(quota["today"]?.text("refusals") ?? "0") requests of today were refused.")
  }

  private static func limit(_ text: String) throws -> JSONValue.Member {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { throw UsageError("--set wants LIMIT=N, not \"\(text)\"") }
    if parts[1] == "default" { return .init(parts[0], .null) }
    guard let number = Int(parts[1]) else { throw UsageError("--set \(parts[0]): \"\(parts[1])\" is no whole number") }
    return .init(parts[0], .integer(number))
  }

  /// A line per limit, with what is used of it where that is counted.
  private static func table(_ quota: JSONValue) -> Table {
    var table = Table(["LIMIT", "VALUE", "FROM", "USED"])
    let own = Set((quota["own"]?.array ?? []).compactMap(\.string))
    for member in quota["limits"]?.members ?? [] {
      let isUnlimited = member.value == 0 && member.key != "burst"
      table.add(
        member.key, isUnlimited ? "no limit" : member.value.text, own.contains(member.key) ? "tenant" : "default",
        used(member.key, quota))
    }
    return table
  }

  private static func used(_ limit: String, _ quota: JSONValue) -> String {
    guard limit == "computeSecondsPerDay" else { return quota["now"]?.text(limit) ?? "" }
    let today = quota["today"]
    return "\(today?.text("computeSeconds") ?? "0") until \(today?.text("resets") ?? "midnight")"
  }
}
