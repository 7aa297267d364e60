import Inference
import StadionClient
import Telemetry
import Wire

/// `stadion model registered`: versions that the host keeps, whether they are served or not.
enum ModelRegistered {
  static let spec = CommandSpec(
    "stadion model registered", "List registered versions, the last registered first.",
    options: ClientOptions.facts + [
      CommandSpec.Option("--model", value: "NAME", help: "Of one model."),
      CommandSpec.Option("--stage", value: "STAGE", help: "development, staging, production or archived."),
      CommandSpec.Option("--format", value: "FORMAT", help: "As onnx."),
      CommandSpec.Option("--tag", value: "KEY=VALUE", help: "That have this tag."),
    ] + PageOptions.all)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let query = try PageOptions.query(arguments, ["model", "stage", "format", "tag"])
    let answer = try ClientOptions.client(arguments).registeredVersions(query)
    if arguments.has("--json") { return print(answer.text) }
    let versions = answer["versions"]?.array ?? []
    if versions.isEmpty { return print("No such version is registered; `stadion model push` registers one.") }
    var table = Table(["MODEL", "VERSION", "STAGE", "FORMAT", "BYTES", "REGISTERED", "BY", "DEPRECATED"])
    for version in versions {
      table.add(
        version.text("model"), version.text("version"), version.text("stage"), version.text("format"),
        version.text("bytes"), WallClock.text(ms: version["createdMs"]?.int ?? 0), version.text("createdBy"),
        ModelPlaces.words(version) ?? "")
    }
    print(table.text)
    PageOptions.tellMore(answer)
  }

  /// What the registry knows of one version, for `stadion model show`.
  static func show(_ version: JSONValue) {
    var table = Table()
    for key in ["model", "version", "stage", "format", "bytes", "createdBy"] { table.add(key, version.text(key)) }
    table.add("registered", WallClock.text(ms: version["createdMs"]?.int ?? 0))
    if let words = ModelPlaces.words(version) { table.add("deprecated", words) }
    for words in ModelPlaces.approvals(version) { table.add("approved", words) }
    table.add("aliases", version["aliases"]?.words ?? "-")
    for tag in version["tags"]?.members ?? [] { table.add("tag", "\(tag.key)=\(tag.value.string ?? "")") }
    if let metadata = version["metadata"], metadata.members?.isEmpty == false { table.add("metadata", metadata.text) }
    for role in ["parents", "children"] {
      for other in version[role]?.array ?? [] {
        let digest = other.text("sha256")
        let word = digest.isEmpty ? "\(other.text("model")):\(other.text("version"))" : "sha256:\(digest)"
        table.add(role == "parents" ? "parent" : "child", word)
      }
    }
    for file in version["files"]?.array ?? [] {
      table.add("file", "\(file.text("path"))  \(file.text("bytes")) bytes  sha256:\(file.text("sha256"))")
    }
    for role in ["inputs", "outputs"] {
      for tensor in version["signature"]?[role]?.array ?? [] {
        table.add(
          String(role.dropLast()), "\(tensor.text("name"))  \(tensor.text("datatype"))  \(tensor["shape"]?.text ?? "")")
      }
    }
    if let served = version["served"] {
      let counts = served["statistics"]?["inference_stats"]
      table.add("served by", "\(served.text("runner")) on \(served.text("device"))")
      table.add(
        "requests",
        "\(counts?["success"]?.text("count") ?? "0") answered, \(counts?["fail"]?.text("count") ?? "0") failed")
    } else {
      table.add("served", "no: nothing names it")
    }
    print(table.text)
  }
}
