import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// What operators see of runners: those that serve, and why others don't.
@Suite(.blocking) struct `Listing runners` {
  private static let library = (Setup.stadion as NSString).deletingLastPathComponent + "/libEchoRunner.so"

  /// A manifest like that of the Echo runner.
  private static func manifest(
    id: String = "org.stadion.echo", library: String = library, isolation: String = "host", abi: Int = 1
  ) -> String {
    """
    {"manifestVersion": "1.0", "id": "\(id)", "version": "0.1.0", "abi": {"major": 0, "minor": \(abi)},
     "library": {"path": "\(library)"}, "devices": [{"kind": "cpu"}], "isolation": "\(isolation)",
     "models": {"formats": ["echo"], "elementTypes": ["f32"], "dynamicShapes": true, "streams": false,
      "cancel": "none"}}
    """
  }

  private func start(_ manifests: [String: String], arguments: [String] = []) throws -> Host {
    let folder = TemporaryFolder()
    folder.makeFolder("manifests")
    for (name, text) in manifests { try folder.write("manifests/\(name).runner.json", text) }
    return try Host(arguments, manifests: "\(folder.path)/manifests", folder: folder) {
      try $0.addEcho("echo", "X:f32[-1]")
    }
  }

  /// `stadion runner list --all --json`.
  private func listed(_ host: Host) throws -> (runners: [JSONValue], problems: [JSONValue]) {
    let result = try host.stadion("runner", "list", "--all", "--json")
    #expect(result.status == 0, "\(result.errors)")
    let answer = try JSONValue(parsing: result.output)
    return (answer["runners"]?.array ?? [], answer["problems"]?.array ?? [])
  }

  @Test func `a manifest that can't be read is listed with its reason and hides no other`() throws {
    let host = try start([
      "a-broken": "{", "b-empty": "{}", "c-good": Self.manifest(),
      "d-lost": Self.manifest(id: "org.example.lost", library: "/nowhere/libLost.so"),
      "e-future": Self.manifest(id: "org.example.future", abi: 99),
      "f-twin": Self.manifest(library: "/usr/bin/env"),
    ])
    let (runners, problems) = try listed(host)
    #expect(runners.compactMap { $0["id"]?.string } == ["org.stadion.echo"])
    #expect(runners.first?["state"] == "ready")
    #expect(try host.index() == ["echo:1 READY"])
    func problem(_ file: String) -> String {
      problems.filter { $0["file"]?.string?.hasSuffix("/\(file).runner.json") == true }
        .map { "\($0.text) " }.joined()
    }
    #expect(problem("a-broken").contains("line 1"), "\(problems.map(\.text))")
    #expect(
      problem("b-empty").contains("manifestVersion") && problem("b-empty").contains("id"), "\(problems.map(\.text))")
    #expect(problem("d-lost").contains("/nowhere/libLost.so") && problem("d-lost").contains("library.path"))
    #expect(problem("e-future").contains("speaks ABI 0.99, host speaks 0.1"), "\(problems.map(\.text))")
    #expect(problem("f-twin").contains("org.stadion.echo"), "\(problems.map(\.text))")
    #expect(problem("c-good").isEmpty)
    // The log says the same once at the start.
    #expect(try host.log("refused a manifest").count >= 5)
  }

  @Test func `a runner that could be installed takes one line, and none of the log`() throws {
    let absent = Self.manifest(id: "org.example.absent", library: "/nowhere/libAbsent.so")
      .replacing("/nowhere/libAbsent.so\"", with: "/nowhere/libAbsent.so\", \"setup\": \"run `make absent`\"")
    let host = try start(["absent": absent, "echo": Self.manifest()])
    let list = try host.stadion("runner", "list").output
    #expect(
      list.split(separator: "\n").filter { $0.contains("absent") } == [
        "org.example.absent: not installed; run `make absent`"
      ], "\(list)")
    #expect(try host.log("refused a manifest").isEmpty)
    let shown = try host.stadion("runner", "show", "org.example.absent").output
    #expect(shown.contains("run `make absent`"), "\(shown)")
    let alone = try start(["absent": absent])
    let words = try alone.stadion("runner", "list").output
    #expect(words.contains("No runner is ready") && words.contains("run `make absent`"), "\(words)")
  }

  @Test func `a library that is no runner is refused with its reason`() throws {
    let host = try start(["text": Self.manifest(library: "/usr/bin/env")])
    let runner = try #require(try listed(host).runners.first)
    #expect(runner["state"] == "refused")
    #expect(runner["reason"]?.string?.isEmpty == false)
    #expect(try host.index().first?.hasPrefix("echo:1 UNAVAILABLE: ") == true, "\(host.state)")
    // Without --all it isn't there.
    let list = try host.stadion("runner", "list")
    #expect(list.status == 0 && list.output.contains("No runner is ready"), "\(list.output)")
  }

  @Test(arguments: ["process", "host"])
  func `says where a runner lives`(isolation: String) throws {
    let host = try start(["one": Self.manifest(isolation: isolation)])
    let runner = try #require(try listed(host).runners.first)
    #expect(runner["state"] == "ready" && runner["isolation"]?.string == isolation)
    #expect((runner["processID"] != nil) == (isolation == "process"), "\(runner)")
    #expect(runner["processID"]?.int != Int(host.command.pid))
  }

  @Test(
    arguments: [
      (["--runners", "nothing*"], "filtered", "--runners"), (["--no-runners", "echo"], "filtered", "--no-runners"),
      (["--runners", "org.stadion.*"], "ready", ""), (["--no-runners", "onnx*"], "ready", ""),
    ] as [([String], String, String)])
  func `filters leave runners out and say so`(arguments: [String], state: String, words: String) throws {
    let host = try start(["echo": Self.manifest()], arguments: arguments)
    let runner = try #require(try listed(host).runners.first)
    #expect(runner["state"]?.string == state)
    let reason = runner["reason"]?.string
    #expect(state == "ready" ? reason == nil : reason?.contains(words) == true, "\(runner.text)")
    let isServed = try host.index() == ["echo:1 READY"]
    #expect(isServed == (state == "ready"), "\(host.state)")
  }

  @Test func `a library that others may write is refused unless allowed`() throws {
    let folder = TemporaryFolder()
    try folder.copy(Self.library, to: "lib/libEchoRunner.so")
    let copy = "\(folder.path)/lib/libEchoRunner.so"
    #expect(chmod(copy, 0o666) == 0)
    let strict = try start(["echo": Self.manifest(library: copy)])
    let (runners, problems) = try listed(strict)
    #expect(runners.isEmpty)
    #expect(problems.contains { $0.text.contains(copy) && $0.text.contains("writ") }, "\(problems.map(\.text))")
    let lax = try start(["echo": Self.manifest(library: copy)], arguments: ["--allow-writable-runners"])
    #expect(try lax.index() == ["echo:1 READY"])
  }

  @Test func `opens none that no model has asked for, and show does`() throws {
    let folder = TemporaryFolder()
    try folder.write("manifests/echo.runner.json", Self.manifest(isolation: "process"))
    let host = try Host(manifests: "\(folder.path)/manifests", folder: folder)
    let runner = try #require(try listed(host).runners.first)
    #expect(runner["state"] == "not opened" && runner["processID"] == nil && runner["reason"] == nil, "\(runner.text)")
    // What the manifest says, and nothing that only opening shows.
    #expect(runner["devices"] == [["kind": "cpu"]] && runner["formats"] == ["echo"], "\(runner.text)")
    #expect(runner["version"] == "0.1.0" && runner["score"] == nil, "\(runner.text)")
    let list = try host.stadion("runner", "list").output
    #expect(list.contains("not opened") && list.contains("cpu"), "\(list)")
    #expect(try host.log("opened a runner").isEmpty)

    let shown = try JSONValue(parsing: host.stadion("runner", "show", "org.stadion.echo", "--json").output)
    #expect(shown["state"] == "ready" && shown["score"] == 100 && shown["processID"] != nil, "\(shown.text)")
    #expect(try listed(host).runners.first?["state"] == "ready")
    #expect(try host.send("GET", "/v1/runners/org.stadion.none").status == 404)
  }

  @Test func `show tells devices, formats and models`() throws {
    let host = try start(["echo": Self.manifest()])
    let shown = try host.stadion("runner", "show", "org.stadion.echo")
    for words in ["org.stadion.echo", "cpu", "echo:1", "f32", "host", "echo.runner.json"] {
      #expect(shown.output.contains(words), "\(shown.output)")
    }
    let json = try JSONValue(parsing: host.stadion("runner", "show", "org.stadion.echo", "--json").output)
    #expect(json["formats"] == ["echo"] && json["models"] == ["echo:1"])
    let wrong = try host.stadion("runner", "show", "org.stadion.ecko")
    #expect(wrong.status == 1)
    #expect(wrong.errors == "stadion: no runner \"org.stadion.ecko\"; did you mean org.stadion.echo?\n")
  }

  @Test func `manifests are found where the environment says`() throws {
    let folder = TemporaryFolder()
    try folder.write("config/stadion/runner-manifests/echo.runner.json", Self.manifest())
    let host = try Host(
      manifests: nil, folder: folder, environment: ["XDG_CONFIG_HOME": "\(folder.path)/config"]
    ) { try $0.addEcho("echo", "X:f32[-1]") }
    #expect(try host.index() == ["echo:1 READY"])
    let other = TemporaryFolder()
    let set = try Host(
      manifests: nil, folder: other,
      environment: ["STADION_MANIFESTS": "\(folder.path)/config/stadion/runner-manifests"]
    ) { try $0.addEcho("echo", "X:f32[-1]") }
    #expect(try set.index() == ["echo:1 READY"])
  }

  @Test func `a runner that is dropped in serves without a restart, and is gone with its manifest`() throws {
    let host = try start([:])
    #expect(try host.index().first?.hasPrefix("echo:1 UNAVAILABLE") == true)
    try host.folder.write("manifests/late.runner.json", Self.manifest())
    #expect(try holds { try host.index() == ["echo:1 READY"] }, "\(host.state)")
    #expect(try listed(host).runners.map { $0["id"]?.string } == ["org.stadion.echo"])
    try FileManager.default.removeItem(atPath: "\(host.folder.path)/manifests/late.runner.json")
    #expect(try holds { try host.index().first?.contains("its manifest is gone") == true }, "\(host.state)")
    #expect(try listed(host).runners.isEmpty)
  }

  @Test(arguments: ["process", "host"])
  func `a runner that is dropped in is listed and serves in under a second`(isolation: String) throws {
    // The best of some: what a busy machine adds is no fact about the host.
    var fastest = Duration.seconds(60)
    for _ in 0..<5 where fastest >= .seconds(1) {
      let host = try start([:])
      let began = ContinuousClock.now
      try host.folder.write("manifests/late.runner.json", Self.manifest(isolation: isolation))
      #expect(holds { (try? host.infer("echo", floats("X", [1], [1]))) != nil }, "\(host.state)")
      #expect(try host.runner("org.stadion.echo")?["state"] == "ready")
      fastest = min(fastest, ContinuousClock.now - began)
    }
    #expect(fastest < .seconds(1))
  }
}
