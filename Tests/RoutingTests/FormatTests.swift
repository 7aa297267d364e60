import Foundation
import Inference
@testable import Manifests
import Running
import Testing

@testable import Routing

@Suite struct `A version in several formats` {
  /// A runner that takes `formats`, in a process of its own or in the host.
  private static func spec(
    _ id: String, _ formats: String..., priority: Int = 0, devices: String = "cpu", inProcess: Bool = false,
    _ change: @escaping (inout RunnerManifest) -> Void = { _ in }
  ) -> RouterFixture.Spec {
    RouterFixture.Spec(id: id, devices: devices) {
      $0.models.formats = formats
      $0.priority = priority
      if inProcess { $0.isolation = .process }
      change(&$0)
    }
  }

  /// "org.a cpu faulty" for each instance.
  private func instances(_ fixture: RouterFixture) throws -> [String] {
    try fixture.version("m").instances.map { "\($0.runnerID) \($0.device) \($0.format)" }
  }

  private func start(_ specs: [RouterFixture.Spec], _ prepare: (RouterFixture) throws -> Void) async throws
    -> RouterFixture
  {
    let fixture = try RouterFixture(specs) { $0.backOffMs = 60_000 }
    try prepare(fixture)
    await fixture.router.start()
    return fixture
  }

  private func crash(_ fixture: RouterFixture) async throws {
    kill(try #require(await fixture.report().processID), SIGSEGV)
  }

  // MARK: Which file

  @Test func `goes to the best runner, whose format decides which file`() async throws {
    let fixture = try await start([Self.spec("org.a", "faulty"), Self.spec("org.b", "flawed", priority: 1)]) {
      try $0.write("m", 1, "bias=1")
      try $0.write("m", 1, "bias=2", format: "flawed")
    }
    #expect(try instances(fixture) == ["org.b cpu flawed"])
    #expect(try fixture.version("m").format == "flawed")
    #expect(await fixture.router.reports().first?.versions.first?.format == "flawed")
    #expect(try await fixture.answer("m") == 3)
  }

  @Test func `gives each runner its own options, besides those of all`() async throws {
    let fixture = try await start([Self.spec("org.a", "faulty", priority: 1), Self.spec("org.b", "flawed")]) {
      try $0.write("m")
      try $0.write("m", format: "flawed")
      try $0.settings("m", #"{"options": {"bias": "4"}, "runnerOptions": {"org.a": {"load_code": "9"}}}"#)
    }
    #expect(try instances(fixture) == ["org.b cpu flawed"])
    #expect(await fixture.states("m").first?.contains("the file smells") == true)
    #expect(try await fixture.answer("m") == 5)
  }

  @Test func `goes to the device that is preferred, whatever the format`() async throws {
    let runners = [Self.spec("org.a", "faulty", priority: 9), Self.spec("org.b", "flawed", devices: "gpu")]
    let fixture = try await start(runners) {
      try $0.write("m")
      try $0.write("m", format: "flawed")
      try $0.settings("m", #"{"devices": ["gpu"], "runners": ["org.a"]}"#)
    }
    #expect(try instances(fixture) == ["org.b gpu flawed"])
  }

  @Test func `is served in the format of model_json alone, where that names one`() async throws {
    let runners = [Self.spec("org.a", "faulty", "flawed"), Self.spec("org.b", "flawed")]
    let fixture = try await start(runners) {
      try $0.write("m")
      try $0.write("m", 1, "load_code=9", format: "flawed")
      try $0.settings("m", #"{"format": "flawed"}"#)
    }
    let smell = "failed to load the model: the file smells"
    #expect(await fixture.states("m") == ["1 UNAVAILABLE: runner org.a \(smell); runner org.b \(smell)"])
  }

  @Test func `is loaded anew when any of its files changes`() async throws {
    let runners = [Self.spec("org.a", "faulty"), Self.spec("org.b", "flawed", priority: 1)]
    let fixture = try await start(runners) { try $0.write("m", 1, "bias=1") }
    #expect(try instances(fixture) == ["org.a cpu faulty"])
    try fixture.write("m", 1, "bias=2", format: "flawed")
    await fixture.router.rescan()
    #expect(try instances(fixture) == ["org.b cpu flawed"])
    try fixture.write("m", 1, "bias=33", format: "flawed")
    await fixture.router.rescan()
    #expect(try await fixture.answer("m") == 34)
    try fixture.remove("m/1/model.flawed")
    await fixture.router.rescan()
    #expect(try await fixture.answer("m") == 2)
    #expect(fixture.count(.models, 0) == 1 && fixture.count(.models, 1) == 0)
  }

  // MARK: Who refuses

  @Test func `is taken by the same runner from the next file, and the reason is kept`() async throws {
    let fixture = try await start([Self.spec("org.a", "faulty", "flawed")]) {
      try $0.write("m", 1, "load_code=9")
      try $0.write("m", 1, "bias=2", format: "flawed")
    }
    #expect(try instances(fixture) == ["org.a cpu flawed"])
    #expect(
      await fixture.states("m") == ["1 READY: faulty: runner org.a failed to load the model: the file smells"])
    #expect(try await fixture.answer("m") == 3)
  }

  @Test func `is taken by the next runner from another file`() async throws {
    let refuses = Self.spec("org.a", "faulty", priority: 1) { $0.options["refuse_load"] = "opset 99" }
    let fixture = try await start([refuses, Self.spec("org.b", "flawed")]) {
      try $0.write("m")
      try $0.write("m", format: "flawed")
    }
    #expect(try instances(fixture) == ["org.b cpu flawed"])
    #expect(await fixture.states("m") == ["1 READY: faulty: runner org.a failed to load the model: opset 99"])
  }

  @Test func `is served from its good file beside a broken one`() async throws {
    let fixture = try await start([Self.spec("org.a", "onnx", priority: 1), Self.spec("org.b", "faulty")]) {
      try $0.write("m")
      try $0.write("m", 1, "garbage", format: "onnx")
    }
    #expect(try instances(fixture) == ["org.b cpu faulty"])
    let problem = "model.onnx is no ONNX file (it doesn't begin with ir_version)"
    #expect(await fixture.states("m") == ["1 READY: \(problem)"])
  }

  @Test func `says which formats nobody takes, and which file is broken`() async throws {
    let fixture = try await start([Self.spec("org.a", "faulty")]) {
      try $0.write("m", format: "double")
      try $0.write("m", format: "flawed")
      try $0.write("m", 1, "garbage", format: "onnx")
    }
    let reason =
      "no runner for format double or flawed (1 runner: org.a cpu: serves faulty, not double or flawed); install one; "
      + "model.onnx is no ONNX file (it doesn't begin with ir_version)"
    #expect(await fixture.states("m") == ["1 UNAVAILABLE: \(reason)"])
    #expect(await fixture.router.reports().first?.versions.first?.format == "onnx, double, flawed")
  }

  @Test func `names what each runner said of each file when all refuse`() async throws {
    let runners = [Self.spec("org.a", "faulty", "flawed"), Self.spec("org.b", "flawed")]
    let fixture = try await start(runners) {
      for format in ["faulty", "flawed"] { try $0.write("m", 1, "load_code=9", format: format) }
    }
    let smell = "failed to load the model: the file smells"
    let reasons = ["faulty: runner org.a \(smell)", "flawed: runner org.a \(smell)", "flawed: runner org.b \(smell)"]
    #expect(await fixture.states("m") == ["1 UNAVAILABLE: \(reasons.joined(separator: "; "))"])
  }

  @Test(arguments: ["types", "shapes"])
  func `passes over a runner whose manifest claims less`(claim: String) async throws {
    let modest = Self.spec("org.a", "faulty", priority: 9) {
      if claim == "types" { $0.models.elementTypes = [.i64] } else { $0.models.dynamicShapes = false }
    }
    let fixture = try await start([modest, Self.spec("org.b", "flawed")]) {
      try $0.write("m")
      try $0.write("m", format: "flawed")
    }
    #expect(try instances(fixture) == ["org.b cpu flawed"])
    let what =
      claim == "types"
      ? "is f32, which its manifest doesn't list" : "has a dynamic shape, which its manifest doesn't claim"
    #expect(await fixture.states("m") == ["1 READY: faulty: runner org.a: 'X' \(what)"])
    #expect(fixture.count(.models, 0) == 0)
  }

  @Test func `passes over a file that lacks the output which model_json has labels for`() async throws {
    let fixture = try await start([Self.spec("org.a", "faulty", "flawed")]) {
      try $0.write("m")
      try $0.write("m", 1, "outputs=2", format: "flawed")
      try $0.settings("m", #"{"labels": {"Z": "z.txt"}}"#)
      try "one\ntwo\n".write(toFile: "\($0.models)/m/z.txt", atomically: true, encoding: .utf8)
    }
    #expect(try instances(fixture) == ["org.a cpu flawed"])
    #expect(try fixture.version("m").labels == [[], ["one", "two"]])
    let reason = "faulty: model.json has labels for 'Z', which is no output of the model"
    #expect(await fixture.states("m") == ["1 READY: \(reason)"])
    #expect(fixture.count(.models) == 1)
  }

  @Test func `is served from another file after the load of one has ended the process`() async throws {
    let fixture = try RouterFixture([Self.spec("org.a", "faulty", "flawed", inProcess: true)])
    try fixture.write("m", 1, "fault=load_segv")
    try fixture.write("m", 1, "bias=2", format: "flawed")
    await fixture.router.start()
    try await wait(for: "the other file") { fixture.served("m") == ["1"] }
    #expect(try instances(fixture) == ["org.a cpu flawed"])
    #expect(
      await fixture.states("m") == [
        "1 READY: faulty: runner org.a: its process was ended by signal 11 (SIGSEGV)"
      ])
    #expect(await fixture.report().crashes == 1)
    await fixture.router.stop()
  }

  // MARK: Several devices

  @Test func `is on several devices from different files where their signatures are equal`() async throws {
    let runners = [Self.spec("org.a", "faulty"), Self.spec("org.b", "flawed", devices: "gpu")]
    let fixture = try await start(runners) {
      try $0.write("m", 1, "bias=1")
      try $0.write("m", 1, "bias=2", format: "flawed")
      try $0.settings("m", #"{"devices": ["cpu", "gpu"]}"#)
    }
    #expect(try instances(fixture) == ["org.a cpu faulty", "org.b gpu flawed"])
    #expect(await fixture.states("m") == ["1 READY"])
    #expect(try fixture.version("m").format == "faulty")
  }

  @Test func `leaves out a file whose outputs differ from those of the first instance`() async throws {
    let runners = [Self.spec("org.a", "faulty"), Self.spec("org.b", "flawed", "faulty", devices: "gpu")]
    let fixture = try await start(runners) {
      try $0.write("m")
      try $0.write("m", 1, "outputs=2", format: "flawed")
      try $0.settings("m", #"{"devices": ["cpu", "gpu"]}"#)
    }
    #expect(try instances(fixture) == ["org.a cpu faulty", "org.b gpu faulty"])
    let reason = "flawed: runner org.b on gpu: inputs or outputs differ from those of org.a on cpu"
    #expect(await fixture.states("m") == ["1 READY: \(reason)"])
    #expect(fixture.count(.models, 1) == 1)
  }

  // MARK: Taking over

  @Test func `is taken over from another file, and goes back`() async throws {
    let runners = [Self.spec("org.a", "faulty", priority: 1, inProcess: true), Self.spec("org.b", "flawed")]
    let fixture = try await start(runners) {
      try $0.write("m", 1, "bias=1")
      try $0.write("m", 1, "bias=2", format: "flawed")
    }
    let statistics = try fixture.version("m").statistics
    try await crash(fixture)
    try await wait(for: "the other file") { (try? fixture.version("m").format) == "flawed" }
    #expect(try await fixture.answer("m") == 3)
    try await fixture.router.restartRunner("org.a")
    try await wait(for: "the first file") { (try? fixture.version("m").format) == "faulty" }
    #expect(try await fixture.answer("m") == 2)
    #expect(try fixture.version("m").statistics === statistics)
    #expect(fixture.count(.models, 1) == 0)
    await fixture.router.stop()
  }

  @Test func `is not taken over by one that answers otherwise`() async throws {
    let runners = [Self.spec("org.a", "faulty", priority: 1, inProcess: true), Self.spec("org.b", "flawed")]
    let fixture = try await start(runners) {
      try $0.write("m", 1, "bias=1")
      try $0.write("m", 1, "outputs=2", format: "flawed")
    }
    try await crash(fixture)
    let reason =
      "flawed: runner org.b on cpu: inputs or outputs differ from those of org.a on cpu; runner org.a is unavailable: "
      + "runner org.a was ended by signal 11 (SIGSEGV); it is started again"
    try await wait(for: "the refusal") { await fixture.states("m") == ["1 UNAVAILABLE: \(reason)"] }
    let refusal = await failure { _ = try fixture.version("m") }
    #expect(refusal?.code == .overloaded)
    #expect(refusal?.message == "model 'm' is not served at the moment: \(reason); try again later")
    #expect(fixture.count(.models, 1) == 0)
    // Nor at a later look.
    await fixture.router.rescan(retriesFailures: true)
    #expect(fixture.served("m").isEmpty)
    try await fixture.router.restartRunner("org.a")
    #expect(try instances(fixture) == ["org.a cpu faulty"])
    #expect(await fixture.states("m") == ["1 READY"])
    // Who unloads it and loads it again wants it whoever serves it.
    try await crash(fixture)
    try await wait(for: "the end to be told") { fixture.served("m").isEmpty }
    await fixture.router.unload("m")
    try await fixture.router.load("m")
    #expect(try instances(fixture) == ["org.b cpu flawed"])
    #expect(try fixture.version("m").outputs.map(\.name) == ["Y", "Z"])
    await fixture.router.stop()
  }

  @Test func `changed while its runner is down it may answer otherwise`() async throws {
    let runners = [Self.spec("org.a", "faulty", priority: 1, inProcess: true), Self.spec("org.b", "flawed")]
    let fixture = try await start(runners) { try $0.write("m", 1, "bias=1") }
    try await crash(fixture)
    try await wait(for: "the end to be told") { fixture.served("m").isEmpty }
    try fixture.write("m", 1, "outputs=2", format: "flawed")
    await fixture.router.rescan()
    #expect(try instances(fixture) == ["org.b cpu flawed"])
    try await fixture.router.restartRunner("org.a")
    try await wait(for: "its own runner") { (try? fixture.version("m").format) == "faulty" }
    await fixture.router.stop()
  }

  @Test func `refused by the one that is left it comes back with its runner`() async throws {
    let refuses = Self.spec("org.b", "flawed") { $0.options["refuse_load"] = "too new" }
    let fixture = try await start([Self.spec("org.a", "faulty", priority: 1, inProcess: true), refuses]) {
      try $0.write("m", 1, "bias=1")
      try $0.write("m", format: "flawed")
    }
    try await crash(fixture)
    try await wait(for: "the refusal") { await fixture.states("m").first?.contains("too new") == true }
    #expect(await failure { _ = try fixture.version("m") }?.code == .overloaded)
    try await fixture.router.restartRunner("org.a")
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }

  @Test func `keeps its file when its runner is replaced`() async throws {
    let fixture = try await start([Self.spec("org.a", "faulty", "flawed", inProcess: true)]) {
      try $0.write("m", 1, "bias=1")
      try $0.write("m", 1, "bias=2", format: "flawed")
    }
    let first = try fixture.version("m")
    var changed = fixture.router.manifests
    changed.manifests[0].models.formats = ["flawed", "faulty"]
    await fixture.router.update(changed)
    #expect(try fixture.version("m") !== first)
    #expect(try instances(fixture) == ["org.a cpu faulty"])
    #expect(try await fixture.answer("m") == 2)
    await fixture.router.stop()
  }
}
