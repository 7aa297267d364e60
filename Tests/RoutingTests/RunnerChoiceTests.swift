import Inference
import Testing

@testable import Routing

/// A runner that fits everything in these tests but for what `change` says.
private func runner(_ id: String, _ change: (inout RunnerCandidate) -> Void = { _ in }) -> RunnerCandidate {
  var candidate = RunnerCandidate(
    id: id, formats: ["onnx"], devices: [.cpu], elementTypes: [.f32, .i64], dynamicShapes: true, streams: true,
    batching: true)
  change(&candidate)
  return candidate
}

private func order(_ candidates: [RunnerCandidate], _ demand: RunnerDemand) -> [String] {
  RunnerChoice.ranked(among: candidates, for: demand).picks.map { "\(candidates[$0.candidate].id) \($0.device)" }
}

@Suite struct `Choosing a runner` {
  let onnx = RunnerDemand(formats: ["onnx"])

  @Test func `prefers the higher priority, then the higher score, then the lower load, then the smaller id`() {
    let candidates = [
      runner("e.b"), runner("e.a"), runner("d") { $0.load = -1 }, runner("c") { $0.score = 101 },
      runner("b") {
        $0.priority = 1
        $0.score = 1
        $0.load = 9
      },
    ]
    #expect(order(candidates, onnx) == ["b cpu", "c cpu", "d cpu", "e.a cpu", "e.b cpu"])
  }

  @Test func `does not depend on the order of the candidates`() {
    var generator = SystemRandomNumberGenerator()
    let candidates = (0..<12).map { number in
      runner("r\(number)") {
        $0.devices = number % 3 == 0 ? [.gpu, .cpu] : [.cpu]
        $0.priority = number % 2
        $0.load = number % 4
      }
    }
    let demand = RunnerDemand(formats: ["onnx"], devices: [.gpu], runners: ["r5"])
    let wanted = order(candidates, demand)
    for _ in 0..<20 { #expect(order(candidates.shuffled(using: &generator), demand) == wanted) }
  }

  @Test func `takes a preferred device before a preferred runner and before priority`() {
    let candidates = [
      runner("cpu-first") { $0.priority = 9 },
      runner("gpu") { $0.devices = [.gpu] },
    ]
    let demand = RunnerDemand(formats: ["onnx"], devices: [.gpu], runners: ["cpu-first"])
    #expect(order(candidates, demand) == ["gpu gpu", "cpu-first cpu"])
  }

  @Test func `follows the order of devices that the demand gives`() {
    let candidates = [runner("x") { $0.devices = [.cpu, .gpu, .npu] }]
    let demand = RunnerDemand(formats: ["onnx"], devices: [.npu, .gpu, .npu])
    #expect(order(candidates, demand) == ["x npu", "x gpu", "x cpu"])
  }

  @Test func `lists devices as the runner does when any will do`() {
    #expect(order([runner("x") { $0.devices = [.gpu, .cpu] }], onnx) == ["x gpu", "x cpu"])
  }

  @Test func `falls back to other devices unless the devices are required`() throws {
    let candidates = [runner("x")]
    var demand = RunnerDemand(formats: ["onnx"], devices: [.gpu])
    #expect(order(candidates, demand) == ["x cpu"])
    demand.devicesRequired = true
    #expect(order(candidates, demand) == [])
    let error = #expect(throws: HostError.self) { try RunnerChoice.best(among: candidates, for: demand) }
    #expect(error?.code == .unsupported)
    #expect(
      error?.message
        == "no runner for format onnx on gpu (1 runner: x cpu: runs on cpu, not on gpu); install one or ask for cpu")
  }

  @Test func `takes any device when none is named, required or not`() {
    #expect(order([runner("x")], RunnerDemand(formats: ["onnx"], devicesRequired: true)) == ["x cpu"])
  }

  @Test func `puts named runners first, in the order named, and the others behind`() {
    let candidates = [runner("a") { $0.priority = 5 }, runner("b"), runner("c")]
    let demand = RunnerDemand(formats: ["onnx"], runners: ["c", "missing", "b"])
    #expect(order(candidates, demand) == ["c cpu", "b cpu", "a cpu"])
  }

  @Test func `never picks an unavailable runner, however preferred`() {
    let candidates = [
      runner("a") {
        $0.priority = 9
        $0.health = .unavailable("restarting")
      }, runner("b"),
    ]
    let ranking = RunnerChoice.ranked(among: candidates, for: RunnerDemand(formats: ["onnx"], runners: ["a"]))
    #expect(ranking.picks == [.init(candidate: 1, format: 0, device: .cpu)])
    #expect(ranking.rejections == [.init(id: "a", reason: "is unavailable: restarting", isTemporary: true)])
  }

  @Test func `says overloaded when a fitting runner is only unavailable`() {
    let candidates = [runner("a") { $0.health = .unavailable("restarting") }, runner("b") { $0.formats = ["echo"] }]
    let error = #expect(throws: HostError.self) { try RunnerChoice.best(among: candidates, for: onnx) }
    #expect(error?.code == .overloaded)
    #expect(error?.message.contains("a cpu: is unavailable: restarting; b cpu: serves echo, not onnx") == true)
  }

  @Test func `names each rejected runner with its first reason`() {
    var demand = RunnerDemand(formats: ["onnx"], elementTypes: [.f32, .bf16, .utf8])
    demand.needsDynamicShapes = true
    demand.needsStreaming = true
    demand.needsBatching = true
    let all: Set<ElementType> = Set(ElementType.allCases)
    let candidates = [
      runner("a") { $0.formats = ["echo", "tflite"] },
      runner("b"),
      runner("c") {
        $0.elementTypes = all
        $0.dynamicShapes = false
      },
      runner("d") {
        $0.elementTypes = all
        $0.streams = false
      },
      runner("e") {
        $0.elementTypes = all
        $0.batching = false
      },
      runner("f") {
        $0.elementTypes = all
        $0.score = 0
      },
      runner("g") {
        $0.elementTypes = all
        $0.devices = []
      },
    ]
    let reasons = RunnerChoice.ranked(among: candidates.reversed(), for: demand).rejections.map(\.reason)
    #expect(
      reasons == [
        "serves echo, tflite, not onnx", "can't take bf16, utf8", "can't take dynamic shapes", "can't stream",
        "can't batch", "says that it can't run on this machine", "names no device",
      ])
  }

  @Test func `ranks runners, not formats: each is given what it takes`() {
    let candidates = [
      runner("a") { $0.priority = 1 },
      runner("b") {
        $0.formats = ["tflite"]
        $0.priority = 2
      },
      runner("c") { $0.formats = ["echo"] },
    ]
    let ranking = RunnerChoice.ranked(among: candidates, for: RunnerDemand(formats: ["onnx", "tflite"]))
    #expect(
      ranking.picks == [
        .init(candidate: 1, format: 1, device: .cpu), .init(candidate: 0, format: 0, device: .cpu),
      ])
    #expect(ranking.rejections.map(\.reason) == ["serves echo, not onnx or tflite"])
  }

  @Test func `gives a runner of several formats first what it names first, on each device`() {
    let candidates = [
      runner("x") {
        $0.formats = ["openvino", "echo", "onnx"]
        $0.devices = [.gpu, .cpu]
      }
    ]
    let formats = ["onnx", "tflite", "openvino"]
    let picks = RunnerChoice.ranked(among: candidates, for: RunnerDemand(formats: formats, devices: [.cpu])).picks
    #expect(
      picks.map { "\($0.device) \(formats[$0.format])" } == ["cpu openvino", "cpu onnx", "gpu openvino", "gpu onnx"])
  }

  @Test func `takes a preferred device before a preferred runner, whatever their formats`() {
    let candidates = [runner("cpu"), runner("gpu") { ($0.devices, $0.formats) = ([.gpu], ["tflite"]) }]
    let demand = RunnerDemand(formats: ["onnx", "tflite"], devices: [.gpu], runners: ["cpu"])
    #expect(order(candidates, demand) == ["gpu gpu", "cpu cpu"])
  }

  @Test func `names every format when none is taken`() {
    let demand = RunnerDemand(formats: ["saved_model", "pt"])
    let error = #expect(throws: HostError.self) { try RunnerChoice.best(among: [runner("x")], for: demand) }
    #expect(
      error?.message
        == "no runner for format saved_model or pt (1 runner: x cpu: serves onnx, not saved_model or pt); install one")
  }

  @Test func `says so when there are no runners at all`() {
    let error = #expect(throws: HostError.self) { try RunnerChoice.best(among: [], for: onnx) }
    #expect(error?.message == "no runner for format onnx (no runners at all); install one and its manifest")
  }

  @Test func `keeps the message short when many runners are rejected`() {
    let candidates = (0..<500).map { number in runner("r\(number)") { $0.formats = ["echo"] } }
    let error = #expect(throws: HostError.self) { try RunnerChoice.best(among: candidates, for: onnx) }
    #expect(error?.message.contains("500 runners: ") == true)
    #expect(error?.message.contains("and 492 more") == true)
  }
}
