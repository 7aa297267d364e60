import StadionClient
import Telemetry
import Wire

/// `stadion tenant list`.
enum TenantList {
  static let spec = CommandSpec(
    "stadion tenant list", "List tenants, their keys and users.", options: ClientOptions.facts + PageOptions.all)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let answer = try ClientOptions.client(arguments).ask("GET", "/v1/tenants?\(PageOptions.query(arguments))")
    if arguments.has("--json") { return print(answer.text) }
    var table = Table(["TENANT", "KEYS", "USERS"])
    for tenant in answer["tenants"]?.array ?? [] {
      let users = (tenant["users"]?.array ?? []).map { user in
        let name = ["uid", "gid"].filter { user[$0] != nil }.map { "\($0) \(user.text($0))" }.joined()
        return "\(name) \(user.text("role"))"
      }
      table.add(tenant.text("id"), tenant.text("keys"), users.isEmpty ? "-" : users.joined(separator: ", "))
    }
    print(table.text)
    PageOptions.tellMore(answer)
  }
}

/// Verbs that change which tenants there are, and which users of this machine act for them.
struct TenantVerbs {
  let spec: CommandSpec
  private let act: @Sendable (StadionClient, Arguments) throws -> JSONValue
  private let line: @Sendable (JSONValue) -> String

  static let all = [add, remove, map, unmap]

  private static let add = TenantVerbs(
    spec: CommandSpec("stadion tenant add", "Add a tenant.", operands: ["TENANT"], options: ClientOptions.facts),
    act: { try $0.ask("POST", "/v1/tenants", ["id": .string($1.operands[0])]) },
    line: { "\($0.text("id")) is a tenant; `stadion key create --tenant \($0.text("id"))` makes a key" })

  private static let remove = TenantVerbs(
    spec: CommandSpec(
      "stadion tenant remove", "Remove a tenant without registered models, its keys and users.", operands: ["TENANT"],
      options: ClientOptions.facts),
    act: { try $0.ask("DELETE", "/v1/tenants/\(StadionClient.escaped($1.operands[0]))") },
    line: { "\($0.text("id")) is gone" })

  private static let users = [
    CommandSpec.Option("--uid", value: "N", help: "A user, as `id -u` tells."),
    CommandSpec.Option("--gid", value: "N", help: "A group, as `id -g` tells."),
  ]

  private static let map = TenantVerbs(
    spec: CommandSpec(
      "stadion tenant map", "Have a user or group act for a tenant on the Unix socket.", operands: ["TENANT"],
      options: ClientOptions.facts + users + [
        CommandSpec.Option("--role", value: "ROLE", help: "infer (default), publish or admin.")
      ],
      details: "A user's own line goes before that of its group."),
    act: { client, arguments in
      let (kind, number) = try user(arguments)
      let path = "/v1/tenants/\(StadionClient.escaped(arguments.operands[0]))/users"
      let role = arguments.value("--role") ?? "infer"
      return try client.ask("POST", path, .object([.init(kind, .integer(number)), .init("role", .string(role))]))
    }, line: { "\(name($0)) is \($0.text("role")) of \($0.text("tenant"))" })

  private static let unmap = TenantVerbs(
    spec: CommandSpec(
      "stadion tenant unmap", "Have a user or group act for a tenant no more.", operands: ["TENANT"],
      options: ClientOptions.facts + users),
    act: { client, arguments in
      let (kind, number) = try user(arguments)
      return try client.ask(
        "DELETE", "/v1/tenants/\(StadionClient.escaped(arguments.operands[0]))/users/\(kind)/\(number)")
    }, line: { "\(name($0)) acts for \($0.text("tenant")) no more" })

  private static func user(_ arguments: Arguments) throws -> (kind: String, number: Int) {
    let range = 0...Int(UInt32.max - 1)
    switch (try arguments.integer("--uid", in: range), try arguments.integer("--gid", in: range)) {
    case (let uid?, nil): return ("uid", uid)
    case (nil, let gid?): return ("gid", gid)
    default: throw UsageError("either --uid N or --gid N is wanted")
    }
  }

  private static func name(_ answer: JSONValue) -> String {
    answer["uid"] != nil ? "user \(answer.text("uid"))" : "group \(answer.text("gid"))"
  }

  @Sendable func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let answer = try act(try ClientOptions.client(arguments), arguments)
    print(arguments.has("--json") ? answer.text : Table.printable(line(answer)))
  }
}
