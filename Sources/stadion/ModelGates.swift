import StadionClient
import Wire

/// `stadion model gates`: what a version must pass before it is promoted.
enum ModelGates {
  static let spec = CommandSpec(
    "stadion model gates", "Show or set what versions must pass before they are promoted.", operands: ["NAME"],
    options: ClientOptions.facts + [
      CommandSpec.Option("--warm-up", value: "RUNS", help: "So many runs must be answered."),
      CommandSpec.Option(
        "--parity", value: "SETS", help: "So many sets of inputs must give what the version in place gives."),
      CommandSpec.Option("--relative", value: "SHARE", help: "Of parity: how far outputs may be away; else 0.001."),
      CommandSpec.Option("--absolute", value: "NUMBER", help: "Added to that; else 0.0001."),
      CommandSpec.Option("--seed", value: "N", help: "Of parity's inputs; else 1."),
      CommandSpec.Option("--shape", value: "NAME=N,N,…", isRepeated: true, help: "Of an input whose sizes are free."),
      CommandSpec.Option("--approver", value: "ROLE", help: "Who promotes has this role: infer, publish or admin."),
      CommandSpec.Option(
        "--approval", value: "ROLE", help: "Somebody else with this role has approved it: publish or admin."),
      CommandSpec.Option("--stage", value: "STAGE", isRepeated: true, help: "Promotions to it; else to production."),
      CommandSpec.Option("--none", help: "Take all gates away."),
    ],
    details: """
      What is set takes the place of all that was set before. A version that is to be promoted is loaded, run and compared
      in a process of its own. Rollbacks pass no gates.
      """)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let client = try ClientOptions.client(arguments, timeout: .seconds(60))
    let name = arguments.operands[0]
    let wanted = try gates(arguments)
    let answer =
      if arguments.has("--none") {
        try client.registry("DELETE", name, "gates")
      } else if let wanted {
        try client.registry("PUT", name, "gates", wanted)
      } else {
        try client.registry("GET", name, "gates")
      }
    if arguments.has("--json") { return print(answer.text) }
    let all = answer["gates"]?.members ?? []
    if all.isEmpty { return print(Table.printable("Versions of \(name) pass no gates.")) }
    var table = Table()
    for gate in all {
      table.add(
        gate.key,
        gate.value.members.map { $0.map { "\($0.key) \($0.value.text)" }.joined(separator: ", ") }
          ?? (gate.value.array == nil ? gate.value.string ?? gate.value.text : gate.value.words))
    }
    print(table.text)
  }

  /// Nil where nothing is to be set.
  private static func gates(_ arguments: Arguments) throws -> JSONValue? {
    var warmUp: [JSONValue.Member] = []
    var parity: [JSONValue.Member] = []
    var gates: [JSONValue.Member] = []
    if let runs = try arguments.integer("--warm-up", in: 1...1000) { warmUp.append(.init("runs", .integer(runs))) }
    if let sets = try arguments.integer("--parity", in: 1...100) { parity.append(.init("inputs", .integer(sets))) }
    if let seed = try arguments.integer("--seed", in: 0...Int.max) { parity.append(.init("seed", .integer(seed))) }
    for option in ["--relative", "--absolute"] {
      guard let text = arguments.value(option) else { continue }
      guard let number = Double(text), number >= 0, number.isFinite else {
        throw UsageError("\(option) wants a number from 0 on, not \"\(text)\"")
      }
      parity.append(.init(String(option.dropFirst(2)), .number("\(number)")))
    }
    if !warmUp.isEmpty { gates.append(.init("warmUp", .object(warmUp))) }
    if !parity.isEmpty { gates.append(.init("parity", .object(parity))) }
    for gate in ["approver", "approval"] {
      if let role = arguments.value("--\(gate)") { gates.append(.init(gate, .string(role))) }
    }
    let stages = arguments.values("--stage")
    if !stages.isEmpty { gates.append(.init("stages", .array(stages.map { .string($0) }))) }
    var shapes: [JSONValue.Member] = []
    for text in arguments.values("--shape") {
      guard let equals = text.lastIndex(of: "=") else { throw UsageError("--shape wants NAME=N,N,…, not \"\(text)\"") }
      let sizes = text[text.index(after: equals)...].split(separator: ",", omittingEmptySubsequences: false)
      let numbers = sizes.compactMap { Int($0) }
      guard numbers.count == sizes.count else { throw UsageError("--shape wants NAME=N,N,…, not \"\(text)\"") }
      shapes.append(.init(String(text[..<equals]), .array(numbers.map { .integer($0) })))
    }
    if !shapes.isEmpty { gates.append(.init("shapes", .object(shapes))) }
    guard gates.isEmpty || !arguments.has("--none") else { throw UsageError("--none goes with no other gate") }
    return gates.isEmpty ? nil : .object(gates)
  }
}
