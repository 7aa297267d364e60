import Glibc
import Inference
import Manifests
import Running
import Serving
import Testing

@testable import Routing

@Suite struct `Loading models` {
  private func refusal(_ fixture: RouterFixture, _ name: String) -> String {
    do throws(HostError) {
      return "served by \(try fixture.version(name).instances.map { "\($0.runnerID) \($0.device)" })"
    } catch {
      return error.message
    }
  }

  private let nowhere = "Request for unknown model: 'm' has no available versions: "

  // MARK: Which runner

  @Test func `falls through to the next runner and keeps the reason`() async throws {
    let fixture = try RouterFixture([
      .init(id: "org.a") {
        $0.priority = 9
        $0.options["refuse_load"] = "opset 99 is unknown"
      },
      .init(id: "org.b"),
    ])
    try fixture.write("m")
    await fixture.router.start()
    #expect(refusal(fixture, "m") == #"served by ["org.b cpu"]"#)
    #expect(
      await fixture.states("m") == ["1 READY: runner org.a failed to load the model: opset 99 is unknown"])
    #expect(fixture.count(.models, 0) == 0)
    #expect(fixture.router.isReady)
  }

  @Test(arguments: [false, true])
  func `opens the second best only when the best refuses`(bestRefuses: Bool) async throws {
    let fixture = try RouterFixture([
      .init(id: "org.a") {
        $0.priority = 9
        if bestRefuses { $0.options["refuse_load"] = "opset 99 is unknown" }
      },
      .init(id: "org.b"),
    ])
    try fixture.write("m")
    await fixture.router.start()
    #expect(await fixture.router.openRunnerIDs == (bestRefuses ? ["org.a", "org.b"] : ["org.a"]))
  }

  @Test func `names the reasons of all when every runner refuses`() async throws {
    let fixture = try RouterFixture([
      .init(id: "org.a") { $0.options["refuse_load"] = "too old" },
      .init(id: "org.b") { $0.options["refuse_load"] = "too new" },
    ])
    try fixture.write("m")
    await fixture.router.start()
    let words = "runner org.a failed to load the model: too old; runner org.b failed to load the model: too new"
    #expect(refusal(fixture, "m") == nowhere + words)
    #expect(await fixture.states("m") == ["1 UNAVAILABLE: \(words)"])
    #expect(await failure { try await fixture.router.load("m") }?.message == "failed to load 'm': \(words)")
  }

  @Test func `leaves out a runner that can't be opened`() async throws {
    let fixture = try RouterFixture([
      .init(id: "org.a", fault: "wrong_abi") { $0.priority = 9 }, .init(id: "org.b"),
    ])
    try fixture.write("m")
    await fixture.router.start()
    #expect(refusal(fixture, "m") == #"served by ["org.b cpu"]"#)
    let reports = await fixture.router.runnerReports()
    #expect(
      reports.map { $0.reason ?? "" } == ["org.a: speaks ABI 0.7, host speaks 0.1; rebuild the runner", ""])
    #expect(reports.map(\.models) == [[], ["m:1"]])
  }

  @Test func `prefers the runner that suits the machine better`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a"), .init(id: "org.b", fault: "probe_200")])
    try fixture.write("m")
    await fixture.router.start()
    #expect(refusal(fixture, "m") == #"served by ["org.b cpu"]"#)
  }

  @Test func `a runner that asks for a process of its own isn't run in the host`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a") { $0.isolation = .process }])
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    #expect(try await fixture.answer("m") == 2)
    #expect(fixture.count(.opens) == 0)
    let process = await fixture.report().processID
    #expect(process != nil && process != getpid())
    await fixture.router.stop()
  }

  @Test func `a format that nobody serves says who serves what`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m")
    try fixture.settings("m", #"{"format": "other"}"#)
    await fixture.router.start()
    #expect(refusal(fixture, "m").hasPrefix(nowhere + "no runner for format other (1 runner: org.a cpu: serves faulty"))
  }

  // MARK: Devices

  @Test func `follows the preference for a device, and does without`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a"), .init(id: "org.b", devices: "gpu")])
    try fixture.write("m")
    try fixture.settings("m", #"{"devices": ["gpu"]}"#)
    try fixture.write("n")
    try fixture.settings("n", #"{"devices": ["npu"]}"#)
    await fixture.router.start()
    #expect(refusal(fixture, "m") == #"served by ["org.b gpu"]"#)
    #expect(refusal(fixture, "n") == #"served by ["org.a cpu"]"#)
  }

  @Test func `a required device that isn't there is refused with what there is`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m")
    try fixture.settings("m", #"{"devices": ["gpu"], "deviceRequired": true}"#)
    await fixture.router.start()
    #expect(
      refusal(fixture, "m") == nowhere
        + "no runner for format faulty on gpu (1 runner: org.a cpu: runs on cpu, not on gpu); install one or ask for cpu"
    )
  }

  @Test func `several devices give several instances`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", devices: "cpu.gpu"), .init(id: "org.b", devices: "npu")])
    try fixture.write("m")
    try fixture.settings("m", #"{"devices": ["gpu", "npu", "cpu"]}"#)
    await fixture.router.start()
    #expect(refusal(fixture, "m") == #"served by ["org.a gpu", "org.b npu", "org.a cpu"]"#)
    let served = try fixture.version("m")
    #expect(try served.instance(on: "npu").device == .npu)
    #expect(await failure { _ = try served.instance(on: "tpu") }?.code == .unsupported)
    await fixture.router.unload("m")
    #expect(fixture.count(.models, 0) == 0)
    #expect(fixture.count(.models, 1) == 0)
  }

  @Test func `one device that refuses doesn't take the others away`() async throws {
    let fixture = try RouterFixture([
      .init(id: "org.a", devices: "cpu.gpu") { $0.options["refuse_load_gpu"] = "out of memory" }
    ])
    try fixture.write("m")
    try fixture.settings("m", #"{"devices": ["gpu", "cpu"]}"#)
    await fixture.router.start()
    #expect(refusal(fixture, "m") == #"served by ["org.a cpu"]"#)
    #expect(await fixture.states("m") == ["1 READY: runner org.a failed to load the model: out of memory"])
  }

  @Test func `instances with another signature are refused`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", devices: "cpu.gpu")])
    try fixture.write("m", 1, "fault=sig_gpu_differs")
    try fixture.settings("m", #"{"devices": ["cpu", "gpu"]}"#)
    await fixture.router.start()
    #expect(refusal(fixture, "m") == #"served by ["org.a cpu"]"#)
    #expect(
      await fixture.states("m") == [
        "1 READY: runner org.a on gpu: inputs or outputs differ from those of org.a on cpu"
      ])
    #expect(fixture.count(.models) == 1)
  }

  // MARK: Claims

  @Test func `a model that its runner's manifest doesn't claim is refused`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "fault=sig_i64")
    await fixture.router.start()
    #expect(refusal(fixture, "m") == nowhere + "runner org.a: 'Y' is i64, which its manifest doesn't list")
    #expect(fixture.count(.models) == 0)
    let other = try RouterFixture([.init(id: "org.a") { $0.models.dynamicShapes = false }])
    try other.write("m")
    await other.router.start()
    #expect(
      refusal(other, "m") == nowhere + "runner org.a: 'X' has a dynamic shape, which its manifest doesn't claim")
    #expect(other.count(.models) == 0)
  }

  @Test func `labels for an unknown output leave nothing loaded`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m")
    try fixture.settings("m", #"{"labels": {"Q": "labels.txt"}}"#)
    await fixture.router.start()
    #expect(refusal(fixture, "m") == nowhere + "model.json has labels for 'Q', which is no output of the model")
    #expect(fixture.count(.models) == 0)
  }
}

@Suite struct `Versions of a model` {
  @Test func `the latest, so many, all, or those that are named`() async throws {
    let fixture = try RouterFixture()
    for name in ["latest", "two", "all", "some", "none"] {
      for version in 1...4 { try fixture.write(name, version, "bias=\(version)") }
    }
    try fixture.settings("two", #"{"versions": {"latest": 2}}"#)
    try fixture.settings("all", #"{"versions": {"all": true}}"#)
    try fixture.settings("some", #"{"versions": {"specific": ["01", "3", "9"]}}"#)
    try fixture.settings("none", #"{"versions": {"specific": ["9"]}}"#)
    await fixture.router.start()
    #expect(fixture.served("latest") == ["4"])
    #expect(fixture.served("two") == ["4", "3"])
    #expect(fixture.served("all") == ["4", "3", "2", "1"])
    #expect(fixture.served("some") == ["3", "1"])
    #expect(fixture.served("none") == [])
    #expect(try await fixture.answer("some", 1) == 2)
    #expect(try await fixture.answer("all") == 5)
    #expect(fixture.count(.models) == 9)
  }

  @Test func `a new version takes over and the old one goes`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    try fixture.write("m", 2, "bias=2")
    await fixture.router.rescan()
    #expect(fixture.served("m") == ["2"])
    #expect(try await fixture.answer("m") == 3)
    #expect(fixture.count(.models) == 1)
  }

  @Test func `a new version that fails leaves the old one serving`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    try fixture.write("m", 2, "load_code=9")
    for _ in 0..<3 { await fixture.router.rescan() }
    #expect(fixture.served("m") == ["1"])
    #expect(try await fixture.answer("m") == 2)
    #expect(
      await fixture.states("m") == ["1 READY", "2 UNAVAILABLE: runner org.a failed to load the model: the file smells"])
    // The same bytes aren't tried again, unless somebody asks.
    #expect(fixture.count(.loads) == 2)
    #expect(
      await failure { try await fixture.router.load("m") }?.message
        == "failed to load 'm': runner org.a failed to load the model: the file smells")
    #expect(fixture.served("m") == ["1"])
    try fixture.write("m", 2, "bias=2")
    await fixture.router.rescan()
    #expect(fixture.served("m") == ["2"])
  }

  @Test func `a version that is written again and fails is served as it was, and says so`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    try fixture.write("m", 1, "load_code=9\nbias=1000")
    await fixture.router.rescan()
    #expect(try await fixture.answer("m") == 2)
    #expect(
      await fixture.states("m") == [
        "1 READY: changed on disk, still served as it was: runner org.a failed to load the model: the file smells"
      ])
    #expect(await failure { try await fixture.router.load("m") }?.code == .invalidRequest)
    #expect(try await fixture.answer("m") == 2)
  }

  @Test func `an older version serves where the newest never worked`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "bias=1")
    try fixture.write("m", 2, "load_code=9")
    await fixture.router.start()
    #expect(fixture.served("m") == ["1"])
  }

  @Test func `an older version serves when the one that served is gone and the newest fails`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "bias=1")
    try fixture.write("m", 2, "bias=2")
    await fixture.router.start()
    try fixture.write("m", 3, "load_code=9")
    try fixture.remove("m/2")
    await fixture.router.rescan()
    #expect(fixture.served("m") == ["1"])
  }

  @Test func `new settings load again, and those that can't be used change nothing`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m")
    try fixture.settings("m", #"{"options": {"bias": "5"}}"#)
    await fixture.router.start()
    #expect(try await fixture.answer("m") == 6)
    try fixture.settings("m", "{")
    await fixture.router.rescan()
    #expect(try await fixture.answer("m") == 6)
    #expect(await failure { try await fixture.router.load("m") }?.code == .invalidRequest)
    #expect(try await fixture.answer("m") == 6)
    try fixture.settings("m", "{}")
    await fixture.router.rescan()
    #expect(try await fixture.answer("m") == 1)
    #expect(fixture.count(.models) == 1)
  }
}

@Suite struct `Loading and unloading by request` {
  @Test func `an unloaded model stays unloaded until it is loaded`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m")
    await fixture.router.start()
    await fixture.router.unload("m")
    #expect(fixture.count(.models) == 0)
    try fixture.write("m", 2)
    await fixture.router.rescan()
    #expect(fixture.served("m") == [])
    #expect(
      await failure { _ = try fixture.version("m") }?.message
        == "Request for unknown model: 'm' has no available versions: unloaded")
    try await fixture.router.load("m")
    #expect(fixture.served("m") == ["2"])
  }

  @Test func `loading what is served already changes nothing`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    let before = try fixture.version("m")
    try await fixture.router.load("m")
    #expect(try fixture.version("m") === before)
  }

  @Test func `a model that is unknown can't be loaded and may be unloaded`() async throws {
    let fixture = try RouterFixture()
    await fixture.router.start()
    for name in ["m", "../models", "", "a/b", "."] {
      #expect(await failure { try await fixture.router.load(name) }?.code == .notFound)
      await fixture.router.unload(name)
    }
    #expect(await fixture.router.reports().count == 0)
  }

  @Test func `a model whose folder is gone is gone`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m")
    try fixture.write("n")
    await fixture.router.start()
    try fixture.remove("m")
    await fixture.router.rescan()
    #expect(await failure { _ = try fixture.version("m") }?.message == "Request for unknown model: 'm' is not found")
    #expect(fixture.served("n") == ["1"])
    #expect(fixture.count(.models) == 1)
    #expect(await failure { try await fixture.router.load("m") }?.code == .notFound)
  }

  @Test func `requests under way are answered before their model goes`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "fault=ignores_cancel\nbias=1")
    await fixture.router.start()
    async let answer = fixture.answer("m")
    try await wait(for: "the run") { fixture.count(.running) == 1 }
    async let unloaded: Void = fixture.router.unload("m")
    try await wait(for: "the model to leave the table") { fixture.served("m").isEmpty }
    #expect(fixture.count(.models) == 1)
    fixture.go()
    #expect(try await answer == 2)
    await unloaded
    #expect(fixture.count(.models) == 0)
  }

  @Test func `unloading while it loads leaves nothing served`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "fault=load_waits")
    async let started: Void = fixture.router.start()
    try await wait(for: "the load") { fixture.count(.loads) == 1 }
    async let unloaded: Void = fixture.router.unload("m")
    try await wait(for: "the hold") { await fixture.router.models["m"]?.isHeld == true }
    fixture.go()
    await started
    await unloaded
    #expect(fixture.served("m") == [])
    #expect(fixture.count(.models) == 0)
    #expect(await fixture.states("m") == ["1 UNAVAILABLE: unloaded"])
  }

  @Test func `unloading while a new form loads leaves nothing served, at no moment`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    try fixture.write("m", 1, "fault=load_waits\nload_code=9")
    async let rescanned: Void = fixture.router.rescan()
    try await wait(for: "the load") { fixture.count(.loads) == 2 }
    async let unloaded: Void = fixture.router.unload("m")
    try await wait(for: "the model to leave the table") { fixture.served("m").isEmpty }
    fixture.go()
    await rescanned
    #expect(fixture.served("m") == [])
    await unloaded
    #expect(fixture.served("m") == [])
    #expect(fixture.count(.models) == 0)
  }

  @Test func `a model whose last run doesn't end holds up no other`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("a", 1, "fault=ignores_cancel")
    await fixture.router.start()
    async let answer = fixture.answer("a")
    try await wait(for: "the run") { fixture.count(.running) == 1 }
    try fixture.write("a", 2, "bias=2")
    try fixture.write("b", 1, "bias=3")
    async let rescanned: Void = fixture.router.rescan()
    try await wait(for: "both models") { fixture.served("a") == ["2"] && fixture.served("b") == ["1"] }
    #expect(try await fixture.answer("a") == 3)
    fixture.go()
    _ = try await answer
    await rescanned
  }

  @Test func `a change that waited long sees the folder as it is then`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("a", 1, "fault=load_waits")
    try fixture.write("z", 1, "bias=1")
    async let started: Void = fixture.router.start()
    try await wait(for: "the load") { fixture.count(.loads) >= 1 }
    try fixture.write("z", 2, "bias=2")
    async let rescanned: Void = fixture.router.rescan()
    try fixture.remove("z/1")
    fixture.go()
    await started
    await rescanned
    await fixture.router.rescan()
    #expect(fixture.served("z") == ["2"])
  }
}

@Suite struct `Changes under fire` {
  @Test func `no request fails while versions are swapped`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    let isDone = Flag()
    // A loop each, as in the host: quick runs never leave their thread, so they would fill the cooperative pool.
    let loops = (0..<4).map { _ in EventLoop(busyPollMicros: 0) }
    for loop in loops { loop.start(name: "test-loop") }
    defer { for loop in loops { loop.stop() } }
    let answered = try await withThrowingTaskGroup(of: Int.self) { group in
      for loop in loops {
        group.addTask(executorPreference: loop) {
          let request = RunRequestBox()
          var count = 0
          while !isDone.isSet {
            // As the endpoint does: again if the version went between the lookup and its gate.
            do {
              _ = try await fixture.answer("m", nil, request.value)
              count += 1
            } catch let error as HostError where error.isModelClosed {}
          }
          return count
        }
      }
      for number in 2...40 {
        try fixture.write("m", number, "bias=\(number)")
        if number > 3 { try fixture.remove("m/\(number - 2)") }
        await fixture.router.rescan()
        #expect(fixture.served("m") == [String(number)])
      }
      isDone.set()
      return try await group.reduce(0, +)
    }
    #expect(answered > 39)
    #expect(fixture.count(.models) == 1)
    #expect(fixture.count(.running) == 0)
  }

  @Test func `storms of loading, unloading and scanning end as the folder says`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a"), .init(id: "org.b", devices: "gpu")])
    let names = (0..<6).map { "m\($0)" }
    for name in names {
      try fixture.write(name, 1, "bias=1")
      try fixture.settings(name, #"{"devices": ["gpu", "cpu"]}"#)
    }
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...UInt64.max, using: &generator)
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<6 {
        group.addTask {
          var dice = Dice(state: seed &+ UInt64(worker))
          for step in 0..<30 {
            let name = names[Int(dice.next() % 6)]
            switch dice.next() % 6 {
            case 0: await fixture.router.rescan()
            case 1: await fixture.router.unload(name)
            case 2, 3: try? await fixture.router.load(name)
            case 4: try? fixture.write(name, Int(dice.next() % 3) + 1, "bias=\(step)")
            default: _ = try? await fixture.answer(name)
            }
          }
        }
      }
    }
    for name in names {
      try fixture.write(name, 9, "bias=9")
      try await fixture.router.load(name)
    }
    await fixture.router.rescan()
    for name in names {
      #expect(fixture.served(name) == ["9"], "seed \(seed)")
      #expect(try await fixture.answer(name) == 10, "seed \(seed)")
    }
    #expect(fixture.count(.models, 0) == 6, "seed \(seed)")
    #expect(fixture.count(.models, 1) == 6, "seed \(seed)")
    for name in names { try fixture.remove(name) }
    await fixture.router.rescan()
    #expect(fixture.router.table.models(of: .standard).isEmpty)
    #expect(fixture.count(.models, 0) + fixture.count(.models, 1) == 0, "seed \(seed)")
  }
}
