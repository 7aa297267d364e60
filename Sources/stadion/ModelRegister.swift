import Glibc
import Inference
import StadionClient
import Wire

/// `stadion model register`: has the host fetch a model from storage and register it.
enum ModelRegister {
  static let spec = CommandSpec(
    "stadion model register", "Have the host fetch a model from storage and register it.",
    operands: ["NAME[:VERSION]"],
    options: ClientOptions.facts + [
      CommandSpec.Option(
        "--uri", value: "URI", help: "s3://, gs://, azure:// or file:///: one file, or what a version's folder holds."),
      CommandSpec.Option(
        "--sha256", value: "[PATH=]SHA256", isRepeated: true,
        help: "What a file must have; PATH where there are several."),
      CommandSpec.Option("--label", value: "VERSION", help: "As NAME:VERSION."),
      CommandSpec.Option("--tag", value: "KEY=VALUE", isRepeated: true, help: "Of the version."),
      CommandSpec.Option(
        "--settings", value: "FILE", help: "What a model.json would say; with the model's first version."),
      CommandSpec.Option("--no-wait", help: "Print the job's id and end; it goes on."),
    ],
    details: """
      The host fetches from what its operator lists in storage.sources, with credentials of its own. Without VERSION it gets
      the next number. Ctrl-C ends the waiting, not the job.
      """)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    guard let uri = arguments.value("--uri") else { throw UsageError("--uri is missing: where is the model?") }
    let (name, version) = ModelPlaces.parts(arguments.operands[0])
    let label = arguments.value("--label")
    guard version == nil || label == nil else { throw UsageError("--label and NAME:VERSION exclude each other") }
    var body = try ModelPush.fields(arguments, version ?? label)
    body.append(.init("uri", .string(uri)))
    if let digests = try digests(arguments.values("--sha256")) { body.append(.init("sha256", digests)) }
    let client = try ClientOptions.client(arguments)
    var job = try client.registry("POST", name, "versions", .object(body))
    if arguments.has("--no-wait") { return print(arguments.has("--json") ? job.text : job.text("id")) }
    let progress = ProgressLine()
    defer { progress.clear() }
    while ["queued", "running"].contains(job.text("state")) {
      progress.show(line(job))
      usleep(100_000)
      job = try client.job(job.text("id"))
    }
    progress.clear()
    if arguments.has("--json") { print(job.text) }
    guard job.text("state") == "done" else {
      let error = job["error"]
      throw HostError(
        HostError.Code(rawValue: error?.text("code") ?? "") ?? .internalError, error?.text("error") ?? "the job failed")
    }
    if !arguments.has("--json") { print("\(name):\(job.text("version")) is registered; \(job.text("bytes")) bytes") }
  }

  /// One SHA-256 alone, or one for each path.
  private static func digests(_ texts: [String]) throws -> JSONValue? {
    if texts.count == 1, !texts[0].contains("=") { return .string(texts[0]) }
    var members: [JSONValue.Member] = []
    for text in texts {
      guard let sign = text.lastIndex(of: "=") else {
        throw UsageError("--sha256 wants PATH=SHA256 for each of several")
      }
      members.append(.init(String(text[..<sign]), .string(String(text[text.index(after: sign)...]))))
    }
    return members.isEmpty ? nil : .object(members)
  }

  private static func line(_ job: JSONValue) -> String {
    guard job.text("state") == "running", let total = job["totalBytes"]?.int, let done = job["bytes"]?.int else {
      return "waiting for its turn"
    }
    if job.text("step") == "loading" { return "a runner loads it" }
    let share = total > 0 ? done * 100 / total : 0
    return "fetched \(done >> 20) of \(total >> 20) MiB, \(share) %"
  }
}
