import Inference
import StadionClient
import Telemetry
import Wire

/// `stadion model deprecate` and `undeprecate`.
extension ModelPlaces {
  static let deprecate = ModelPlaces(
    spec: CommandSpec(
      "stadion model deprecate", "Tell whoever uses a version that it will go.", operands: ["NAME:VERSION"],
      options: ClientOptions.facts + [
        CommandSpec.Option("--since", value: "DATE", help: "From when on; else from now on."),
        CommandSpec.Option("--sunset", value: "DATE", help: "When it will be taken out of use."),
        CommandSpec.Option("--successor", value: "[NAME:]VERSION", help: "What to use instead."),
        CommandSpec.Option("--reason", value: "TEXT", help: "For people."),
      ],
      details: """
        It is served as before; its answers say so (headers Deprecation, Sunset and Link). A DATE is 2027-01-31 or
        2027-01-31T18:00:00Z, in UTC.
        """),
    act: { client, arguments in
      let (name, version) = try whole(arguments)
      var body: [JSONValue.Member] = []
      for (option, key) in [("--since", "sinceMs"), ("--sunset", "sunsetMs")] {
        if let ms = try PageOptions.milliseconds(arguments, option) { body.append(.init(key, .integer(ms))) }
      }
      if let word = arguments.value("--successor") {
        let (model, label) = parts(word)
        body.append(
          .init("successor", label.map { ["model": .string(model), "version": .string($0)] } ?? .string(word)))
      }
      if let reason = arguments.value("--reason") { body.append(.init("reason", .string(reason))) }
      return try client.registry("PUT", name, path(version), .object(body))
    }, line: line)

  static let undeprecate = ModelPlaces(
    spec: CommandSpec(
      "stadion model undeprecate", "Take a deprecation back.", operands: ["NAME:VERSION"], options: ClientOptions.facts),
    act: { client, arguments in
      let (name, version) = try whole(arguments)
      return try client.registry("DELETE", name, path(version))
    }, line: line)

  private static func path(_ version: String) -> String { "versions/\(StadionClient.escaped(version))/deprecation" }

  private static func line(_ answer: JSONValue) -> String {
    let subject = "\(answer.text("model")):\(answer.text("version"))"
    return words(answer).map { "\(subject) is deprecated \($0)" } ?? "\(subject) isn't deprecated"
  }

  /// As "since 2027-01-01, until 2027-01-31, followed by 2"; nil for a version that isn't deprecated.
  static func words(_ version: JSONValue) -> String? {
    guard let facts = version["deprecation"] else { return nil }
    func day(_ key: String) -> String? { facts[key]?.int.map { String(WallClock.text(ms: $0).prefix(10)) } }
    var words = ["since \(day("sinceMs") ?? "")"]
    if let sunset = day("sunsetMs") { words.append("until \(sunset)") }
    if let successor = facts["successor"] {
      let model = successor.text("model")
      words.append("followed by \(model.isEmpty ? "" : "\(model):")\(successor.text("version"))")
    }
    if !facts.text("reason").isEmpty { words.append(facts.text("reason")) }
    return words.joined(separator: ", ")
  }
}
