import Inference
import StadionClient
import Wire

/// `stadion runner list`: what can run models here.
enum RunnerList {
  static let spec = CommandSpec(
    "stadion runner list",
    "List runners, their devices and formats; of those that aren't opened, what the manifest says.",
    options: [CommandSpec.Option("--all", help: "Refused and filtered ones too, with the reason.")]
      + ClientOptions.facts)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let answer = try ClientOptions.client(arguments).runners(all: arguments.has("--all"))
    if arguments.has("--json") { return print(answer.text) }
    let runners = answer["runners"]?.array ?? []
    // Those that could be installed have nothing to show but how.
    let present = runners.filter { $0.text("state") != "not installed" }
    if present.isEmpty {
      print("No runner is ready. `stadion runner list --all` shows those that were refused, and why.")
    } else {
      // One process for each tenant: whose it is says something only where there are several.
      func owner(_ runner: JSONValue) -> String {
        let tenant = runner.text("tenant")
        return tenant.isEmpty || tenant == "default" ? "" : " (\(tenant))"
      }
      var table = Table(["ID", "VERSION", "STATE", "DEVICES", "FORMATS", "PRIORITY", "ISOLATION", "MODELS"])
      for runner in present {
        table.add(
          runner.text("id") + owner(runner), runner.text("version"), runner.text("state"),
          RunnerShow.deviceKinds(runner),
          runner["formats"]?.words ?? "-", runner.text("priority"), runner.text("isolation"),
          runner["models"]?.words ?? "-")
      }
      print(table.text)
    }
    for runner in runners where !runner.text("reason").isEmpty {
      print(Table.printable("\(runner.text("id")): \(runner.text("reason"))"))
    }
    for problem in answer["problems"]?.array ?? [] { print(Table.printable(text(of: problem))) }
  }

  private static func text(of problem: JSONValue) -> String {
    let place = [problem.text("file"), problem.text("where")].filter { !$0.isEmpty }.joined(separator: " ")
    let advice = problem.text("suggestion")
    return "\(place): \(problem.text("message"))" + (advice.isEmpty ? "" : "; \(advice)")
  }
}

/// `stadion runner restart`: ends a quarantine, or gives a working runner a fresh process.
enum RunnerRestart {
  static let spec = CommandSpec(
    "stadion runner restart", "Start a runner's process anew; no request fails.", operands: ["ID"],
    options: ClientOptions.address
      + [CommandSpec.Option("--tenant", value: "TENANT", help: "The process for another tenant's models.")])

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    try ClientOptions.client(arguments).restartRunner(arguments.operands[0], of: arguments.value("--tenant"))
  }
}

/// `stadion runner show`: everything about one runner.
enum RunnerShow {
  static let spec = CommandSpec(
    "stadion runner show", "Open one runner, if no model has yet, and show it.", operands: ["ID"],
    options: ClientOptions.facts)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let id = arguments.operands[0]
    let client = try ClientOptions.client(arguments)
    let runners = try client.runners(all: true)["runners"]?.array ?? []
    guard var runner = runners.first(where: { $0["id"]?.string == id }) else {
      let known = runners.compactMap { $0["id"]?.string }
      let nearest = NearestWord.to(id, among: known).map { "did you mean \($0)?" }
      throw HostError(.notFound, "no runner \"\(id)\"; \(nearest ?? "known are \(known.joined(separator: ", "))")")
    }
    if runner.text("state") == "not opened" { runner = try client.runner(id) }
    if arguments.has("--json") { return print(runner.text) }
    var table = Table()
    for key in [
      "id", "title", "version", "engine", "state", "reason", "isolation", "tenant", "processID", "crashes", "priority",
      "score",
    ]
    where !runner.text(key).isEmpty {
      table.add(key, runner.text(key))
    }
    for device in runner["devices"]?.array ?? [] {
      let runs = device.text("maxConcurrentRuns")
      let name = device.text("name")
      table.add(
        "device",
        device.text("kind") + (name.isEmpty ? "" : " \(name)") + (runs.isEmpty ? "" : ", \(runs) runs at once"))
    }
    table.add("formats", runner["formats"]?.words ?? "-")
    table.add("element types", runner["elementTypes"]?.words ?? "-")
    table.add("dynamic shapes", runner.text("dynamicShapes"))
    table.add("streams", runner.text("streams"))
    table.add("cancel", runner.text("cancel"))
    table.add("models", runner["models"]?.words ?? "-")
    table.add("manifest", runner.text("manifest"))
    print(table.text)
  }

  static func deviceKinds(_ runner: JSONValue) -> String {
    var kinds: [String] = []
    for device in runner["devices"]?.array ?? [] {
      let kind = device.text("kind")
      if !kinds.contains(kind) { kinds.append(kind) }
    }
    return kinds.isEmpty ? "-" : kinds.joined(separator: ", ")
  }
}
