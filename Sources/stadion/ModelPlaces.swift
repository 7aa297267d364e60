import StadionClient
import Telemetry
import Wire

/// Verbs that say where a registered version stands.
struct ModelPlaces {
  let spec: CommandSpec
  let act: @Sendable (StadionClient, Arguments) throws -> JSONValue
  let line: @Sendable (JSONValue) -> String

  static let promote = ModelPlaces(
    spec: CommandSpec(
      "stadion model promote", "Put a version into production; what stood there can be rolled back to.",
      operands: ["NAME:VERSION"], options: ClientOptions.facts + [stage]),
    act: { client, arguments in
      let (name, version) = try whole(arguments)
      return try client.registry(
        "POST", name, "promote",
        ["version": .string(version), "stage": .string(arguments.value("--stage") ?? "production")])
    }, line: place)

  static let rollback = ModelPlaces(
    spec: CommandSpec(
      "stadion model rollback", "Bring back the version that stood in production before.", operands: ["NAME"],
      options: ClientOptions.facts + [stage]),
    act: { client, arguments in
      try client.registry(
        "POST", arguments.operands[0], "rollback", ["stage": .string(arguments.value("--stage") ?? "production")])
    }, line: place)

  static let alias = ModelPlaces(
    spec: CommandSpec(
      "stadion model alias", "Give a version a further name.", operands: ["NAME:VERSION", "ALIAS"],
      options: ClientOptions.facts),
    act: { client, arguments in
      let (name, version) = try whole(arguments)
      return try client.registry(
        "PUT", name, "aliases/\(StadionClient.escaped(arguments.operands[1]))", ["version": .string(version)])
    }, line: { "\($0.text("model")):\($0.text("alias")) is version \($0.text("version"))" })

  static let unalias = ModelPlaces(
    spec: CommandSpec(
      "stadion model unalias", "Take a further name away.", operands: ["NAME:ALIAS"], options: ClientOptions.facts),
    act: { client, arguments in
      let (name, alias) = try whole(arguments)
      return try client.registry("DELETE", name, "aliases/\(StadionClient.escaped(alias))")
    }, line: { "\($0.text("model")):\($0.text("alias")) is removed" })

  static let archive = change("archive", "Take a version out of use; it can be restored.", "is archived")
  static let restore = change("restore", "Bring an archived version back.", "is restored")
  static let purge = change("purge", "Delete an archived version for good.", "is gone")

  static let all = [
    promote, approve, unapprove, rollback, alias, unalias, deprecate, undeprecate, archive, restore, purge,
  ]

  private static let stage = CommandSpec.Option(
    "--stage", value: "STAGE", help: "staging, or development; else production.")

  private static func change(_ verb: String, _ summary: String, _ done: String) -> ModelPlaces {
    ModelPlaces(
      spec: CommandSpec("stadion model \(verb)", summary, operands: ["NAME:VERSION"], options: ClientOptions.facts),
      act: { client, arguments in
        let (name, version) = try whole(arguments)
        return try client.registry("POST", name, "versions/\(StadionClient.escaped(version))/\(verb)")
      }, line: { "\($0.text("model")):\($0.text("version")) \(done)" })
  }

  private static func place(_ answer: JSONValue) -> String {
    let replaced = answer.text("replaced")
    return "\(answer.text("model")):\(answer.text("version")) is in \(answer.text("stage"))"
      + (replaced.isEmpty ? "" : ", in place of \(replaced)")
  }

  /// A name and what stands behind its last colon.
  static func parts(_ word: String) -> (name: String, version: String?) {
    guard let colon = word.lastIndex(of: ":") else { return (word, nil) }
    return (String(word[..<colon]), String(word[word.index(after: colon)...]))
  }

  static func whole(_ arguments: Arguments) throws -> (String, String) {
    guard case (let name, let version?) = parts(arguments.operands[0]) else {
      throw UsageError("\"\(arguments.operands[0])\" names no version; NAME:VERSION is wanted")
    }
    return (name, version)
  }

  @Sendable func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let answer = try act(try ClientOptions.client(arguments, timeout: .seconds(600)), arguments)
    print(arguments.has("--json") ? answer.text : Table.printable(line(answer)))
  }
}

/// `stadion model history`: what has happened to a model, and who did it.
enum ModelHistory {
  static let spec = CommandSpec(
    "stadion model history", "Show what happened to a model, and who did it.", operands: ["NAME"],
    options: ClientOptions.facts + [
      CommandSpec.Option("--place", value: "PLACE", help: "Of one stage or alias, as production."),
      CommandSpec.Option("--at", value: "DATE", help: "What held then: the last that had happened."),
    ] + PageOptions.all, details: "A DATE is 2027-01-31 or 2027-01-31T18:00:00Z, in UTC.")

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    var query = try PageOptions.query(arguments, ["place"])
    if let ms = try PageOptions.milliseconds(arguments, "--at") { query += "&atMs=\(ms)" }
    let answer = try ClientOptions.client(arguments).registry("GET", arguments.operands[0], "history?\(query)")
    if arguments.has("--json") { return print(answer.text) }
    var table = Table(["TIME", "ACTION", "PLACE", "VERSION", "REPLACED", "CALLER", "NOTE"])
    for event in answer["history"]?.array ?? [] {
      table.add(
        WallClock.text(ms: event["timeMs"]?.int ?? 0), event.text("action"), event.text("place"), event.text("version"),
        event.text("replaced"), event.text("caller"), event.text("note"))
    }
    print(table.text)
    PageOptions.tellMore(answer)
  }
}
