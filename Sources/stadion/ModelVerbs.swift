import Inference
import StadionClient
import Wire

/// `stadion model list`: the repository's models and how they are.
enum ModelList {
  static let spec = CommandSpec("stadion model list", "List models and their versions.", options: ClientOptions.facts)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let answer = try ClientOptions.client(arguments).models()
    if arguments.has("--json") { return print(answer.text) }
    let models = answer["models"]?.array ?? []
    if models.isEmpty {
      return print("No models. Put one at MODELS/NAME/1/model.onnx; the host finds it by itself.")
    }
    print(table(models).text)
    for model in models { problem(of: model).map { print($0) } }
  }

  /// What is wrong with a model although versions of it are there, as a `model.json` that broke while it served.
  static func problem(of model: JSONValue) -> String? {
    guard !(model["versions"]?.array ?? []).isEmpty, !model.text("problem").isEmpty else { return nil }
    return Table.printable("\(model.text("name")): \(model.text("problem"))")
  }

  /// A line per version.
  static func table(_ models: [JSONValue]) -> Table {
    var table = Table(["MODEL", "VERSION", "STATE", "FORMAT", "RUNNER", "DEVICE", "REASON"])
    for model in models {
      let versions = model["versions"]?.array ?? []
      if versions.isEmpty { table.add(model.text("name"), "-", "-", "-", "-", "-", model.text("problem")) }
      for version in versions {
        table.add(
          model.text("name"), version.text("version"), version.text("state"), version.text("format"),
          version.text("runner"), version.text("device"), version.text("reason"))
      }
    }
    return table
  }
}

/// `stadion model show`: one model's versions, inputs and outputs.
enum ModelShow {
  static let spec = CommandSpec(
    "stadion model show", "Show a model's versions, inputs and outputs; or one registered version.",
    operands: ["NAME[:VERSION]"],
    options: ClientOptions.facts)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let client = try ClientOptions.client(arguments)
    let name = arguments.operands[0]
    guard let model = try find(name, client) else {
      // No model has the whole word for its name.
      let (name, label) = ModelPlaces.parts(name)
      let version = try client.registry("GET", name, "versions/\(StadionClient.escaped(label ?? ""))")
      return arguments.has("--json") ? print(version.text) : ModelRegistered.show(version)
    }
    if arguments.has("--json") { return print(model.text) }
    print(ModelList.table([model]).text)
    ModelList.problem(of: model).map { print($0) }
    let isReady = (model["versions"]?.array ?? []).contains { $0["state"] == "READY" }
    guard isReady else { return print("\nNothing serves; `stadion model load \(name)` loads it and tells why not.") }
    let metadata = try client.metadata(ModelID(name: name))
    var table = Table()
    for (role, specs) in [("input", metadata.inputs), ("output", metadata.outputs)] {
      for spec in specs { table.add(role, spec.name, spec.elementType.protocolName.description, "\(spec.shape)") }
    }
    print("\n\(table.text)")
    if let settings = model["settings"]?.members, !settings.isEmpty {
      print("\nmodel.json sets \(settings.map(\.key).joined(separator: ", "))")
    }
  }

  /// Nil for a word that is no model's name but may name a version.
  private static func find(_ name: String, _ client: StadionClient) throws -> JSONValue? {
    do throws(HostError) {
      return try client.model(name)
    } catch {
      guard error.code == .notFound, ModelPlaces.parts(name).version != nil else { throw error }
      return nil
    }
  }
}

/// `stadion model load` and `unload`.
struct ModelLoad {
  let spec: CommandSpec
  private let act: @Sendable (StadionClient, String) throws -> Void
  private let done: String

  static let load = ModelLoad(
    spec: CommandSpec(
      "stadion model load", "Load a model and its new versions; wait until it serves.", operands: ["NAME"],
      options: ClientOptions.address),
    act: { try $0.load($1) }, done: "serves")

  static let unload = ModelLoad(
    spec: CommandSpec(
      "stadion model unload", "Stop serving a model; requests in flight finish.", operands: ["NAME"],
      options: ClientOptions.address),
    act: { try $0.unload($1) }, done: "is unloaded")

  @Sendable func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    // Compiling a large model for a device takes minutes.
    let client = try ClientOptions.client(arguments, timeout: .seconds(600))
    try act(client, arguments.operands[0])
    print("\(arguments.operands[0]) \(done)")
  }
}
