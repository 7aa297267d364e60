import StadionClient
import Telemetry
import Wire

/// `stadion tenant audit`: who has changed what or was refused, when and from where.
enum TenantAudit {
  static let spec = CommandSpec(
    "stadion tenant audit", "Show who has changed what, and who was refused, the newest first.",
    options: ClientOptions.facts + [
      CommandSpec.Option("--tenant", value: "TENANT", help: "Of one tenant."),
      CommandSpec.Option("--action", value: "ACTION", help: "Of one kind, as key.add."),
      CommandSpec.Option("--caller", value: "CALLER", help: "By one caller, as key:3f9a0c51b2d4 or uid:1000."),
      CommandSpec.Option("--from", value: "DATE", help: "From then on."),
      CommandSpec.Option("--to", value: "DATE", help: "Before then."),
    ] + PageOptions.all,
    details: "A DATE is 2027-01-31 or 2027-01-31T18:00:00Z, in UTC.")

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    var query = try PageOptions.query(arguments, ["tenant", "action", "caller"])
    for (option, key) in [("--from", "fromMs"), ("--to", "toMs")] {
      if let ms = try PageOptions.milliseconds(arguments, option) { query += "&\(key)=\(ms)" }
    }
    let answer = try ClientOptions.client(arguments).ask("GET", "/v1/audit?\(query)")
    if arguments.has("--json") { return print(answer.text) }
    var table = Table(["TIME", "TENANT", "CALLER", "FROM", "ACTION", "SUBJECT", "TIMES"])
    for entry in answer["entries"]?.array ?? [] {
      table.add(
        WallClock.text(ms: entry["timeMs"]?.int ?? 0), entry.text("tenant"), entry.text("caller"), entry.text("origin"),
        entry.text("action"), entry.text("subject"), entry.text("count"))
    }
    print(table.text)
    PageOptions.tellMore(answer)
  }
}
