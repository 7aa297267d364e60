import StadionClient
import Telemetry
import Wire

/// `stadion model approve` and `unapprove`.
extension ModelPlaces {
  private static let approvedStage = CommandSpec.Option(
    "--stage", value: "STAGE", help: "staging; else production.")

  static let approve = ModelPlaces(
    spec: CommandSpec(
      "stadion model approve", "Say that a version may go to production.", operands: ["NAME:VERSION"],
      options: ClientOptions.facts + [
        approvedStage, CommandSpec.Option("--note", value: "TEXT", help: "What was looked at, for the history."),
      ],
      details: """
        Where `stadion model gates NAME --approval ROLE` asks for it, nobody promotes a version that somebody else hasn't
        approved. It stands until it is taken back or the version is purged.
        """),
    act: { client, arguments in
      let note = arguments.value("--note").map { [JSONValue.Member("note", .string($0))] } ?? []
      let (name, path) = try path(arguments)
      return try client.registry("PUT", name, path, .object(note))
    }, line: line)

  static let unapprove = ModelPlaces(
    spec: CommandSpec(
      "stadion model unapprove", "Take an approval back.", operands: ["NAME:VERSION"],
      options: ClientOptions.facts + [
        approvedStage,
        CommandSpec.Option("--caller", value: "CALLER", help: "Of somebody else, as key:ID or uid:N; for admins."),
      ]),
    act: { client, arguments in
      let query = arguments.value("--caller").map { "?caller=\(StadionClient.escaped($0))" } ?? ""
      let (name, path) = try path(arguments)
      return try client.registry("DELETE", name, path + query)
    }, line: line)

  private static func path(_ arguments: Arguments) throws -> (name: String, path: String) {
    let (name, version) = try whole(arguments)
    let stage = StadionClient.escaped(arguments.value("--stage") ?? "production")
    return (name, "versions/\(StadionClient.escaped(version))/approvals/\(stage)")
  }

  private static func line(_ answer: JSONValue) -> String {
    let subject = "\(answer.text("model")):\(answer.text("version"))"
    let words = approvals(answer)
    return words.isEmpty
      ? "\(subject) is approved by nobody" : "\(subject) is approved \(words.joined(separator: "; "))"
  }

  /// As "for production by key:3f9a0c51b2d4 (admin) on 2027-01-31: all looks well".
  static func approvals(_ version: JSONValue) -> [String] {
    (version["approvals"]?.array ?? []).map { each in
      let day = WallClock.text(ms: each["timeMs"]?.int ?? 0).prefix(10)
      let note = each.text("note")
      return "for \(each.text("stage")) by \(each.text("caller")) (\(each.text("role"))) on \(day)"
        + (note.isEmpty ? "" : ": \(note)")
    }
  }
}
