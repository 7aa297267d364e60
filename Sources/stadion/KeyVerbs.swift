import StadionClient
import Telemetry
import Wire

/// `stadion key list`.
enum KeyList {
  static let spec = CommandSpec(
    "stadion key list", "List API keys; the keys themselves are nowhere.",
    options: ClientOptions.facts + [
      CommandSpec.Option("--tenant", value: "TENANT", help: "Of one tenant."),
      CommandSpec.Option("--state", value: "STATE", help: "That are valid, expired or revoked."),
      CommandSpec.Option("--role", value: "ROLE", help: "With this role."),
    ] + PageOptions.all)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let query = try PageOptions.query(arguments, ["tenant", "state", "role"])
    let answer = try ClientOptions.client(arguments).ask("GET", "/v1/keys?\(query)")
    if arguments.has("--json") { return print(answer.text) }
    var table = Table(["ID", "TENANT", "ROLE", "STATE", "EXPIRES", "LABEL"])
    for key in answer["keys"]?.array ?? [] {
      let expires = key["expiresMs"]?.int.map { WallClock.text(ms: $0) } ?? "never"
      table.add(
        key.text("id"), key.text("tenant"), key.text("role"), key.text("state"), expires, key.text("label"))
    }
    print(table.text)
    PageOptions.tellMore(answer)
  }
}

/// Verbs that make keys and end them. A new key stands alone on standard output, for `KEY=$(stadion key create …)`.
struct KeyVerbs {
  let spec: CommandSpec
  private let act: @Sendable (StadionClient, Arguments) throws -> JSONValue

  static let all = [create, rotate, revoke]

  private static let create = KeyVerbs(
    spec: CommandSpec(
      "stadion key create", "Make an API key and print it; it is shown this once.",
      options: ClientOptions.facts + [
        CommandSpec.Option("--tenant", value: "TENANT", help: "Whose; else the caller's own."),
        CommandSpec.Option("--role", value: "ROLE", help: "infer (default), publish or admin."),
        CommandSpec.Option("--label", value: "TEXT", help: "What it is for."),
        CommandSpec.Option("--expires-in", value: "TIME", help: "As 90d, 12h, 30m or 45s; else never."),
      ]),
    act: { client, arguments in
      var body = [JSONValue.Member("role", .string(arguments.value("--role") ?? "infer"))]
      for (option, key) in [("--tenant", "tenant"), ("--label", "label")] {
        if let value = arguments.value(option) { body.append(.init(key, .string(value))) }
      }
      if let seconds = try seconds(arguments, "--expires-in") {
        body.append(.init("expiresInSeconds", .integer(seconds)))
      }
      return try client.ask("POST", "/v1/keys", .object(body))
    })

  private static let rotate = KeyVerbs(
    spec: CommandSpec(
      "stadion key rotate", "Make a key like another one, which goes on for a while.", operands: ["ID"],
      options: ClientOptions.facts + [
        CommandSpec.Option("--overlap", value: "TIME", help: "How long the old one goes on (default: 1d).")
      ]),
    act: { client, arguments in
      let seconds = try seconds(arguments, "--overlap")
      return try client.ask(
        "POST", "/v1/keys/\(StadionClient.escaped(arguments.operands[0]))/rotate",
        seconds.map { ["overlapSeconds": .integer($0)] } ?? [:])
    })

  private static let revoke = KeyVerbs(
    spec: CommandSpec(
      "stadion key revoke", "End a key at once.", operands: ["ID"], options: ClientOptions.facts),
    act: { try $0.ask("DELETE", "/v1/keys/\(StadionClient.escaped($1.operands[0]))") })

  /// `90d`, `12h`, `30m`, `45s`, or seconds alone.
  private static func seconds(_ arguments: Arguments, _ name: String) throws(UsageError) -> Int? {
    guard let text = arguments.value(name) else { return nil }
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    let unit = text.last.flatMap { units[$0] }
    guard let count = Int(unit == nil ? text[...] : text.dropLast()), (0...3_155_760_000).contains(count) else {
      throw UsageError("\(name) wants a time as 90d, 12h, 30m or 45s, not \"\(text)\"")
    }
    return count * (unit ?? 1)
  }

  @Sendable func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let answer = try act(try ClientOptions.client(arguments), arguments)
    if arguments.has("--json") { return print(answer.text) }
    guard let key = answer["key"]?.string else { return print("key \(answer.text("id")) is revoked") }
    let end = answer["expiresMs"]?.int.map { "expires \(WallClock.text(ms: $0))" } ?? "never expires"
    StandardError.print(
      Table.printable(
        "stadion: key \(answer.text("id")) of \(answer.text("tenant")), role \(answer.text("role")), \(end); it is shown "
          + "this once"))
    print(Table.printable(key))
  }
}
