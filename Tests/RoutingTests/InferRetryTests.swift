import Admission
import Foundation
import Inference
import Running
import Testing
import Wire

@testable import Endpoints
@testable import Routing
@testable import Serving

@Suite struct `Infer requests to a version that is replaced` {
  /// What the endpoint answers to X = [1] in JSON.
  private func infer(_ fixture: RouterFixture, output: String = "Y") async throws -> String {
    let exchange = Exchange(limits: ServingLimits())
    let inputs = #"[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]"#
    let body = Array(#"{"inputs":\#(inputs),"outputs":[{"name":"\#(output)"}]}"#.utf8)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 64)
    defer { memory.deallocate() }
    memory.copyBytes(from: body)
    exchange.body = UnsafeRawBufferPointer(memory)
    let name = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
    defer { name.deallocate() }
    name[0] = UInt8(ascii: "m")
    try await InferEndpoint(fixture.router, OutputLimit(bytes: 1 << 30)).respond(
      to: exchange, UnsafeRawBufferPointer(name), .preferred, Identity(.tcp))
    return String(decoding: exchange.out.bytes.dropFirst(Exchange.headRoom), as: UTF8.self)
  }

  @Test func `go to the version that takes its place`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "fault=ignores_cancel\nbias=1")
    try fixture.settings("m", #"{"maxConcurrentRuns": 1}"#)
    await fixture.router.start()
    let old = try fixture.version("m")
    async let first = infer(fixture)
    try await wait(for: "the first run") { fixture.count(.running) == 1 }
    // Looked up, and waiting for its place, when the version goes.
    async let second = infer(fixture)
    try await wait(for: "the second request") { old.instances[0].gate.waitingCount == 1 }
    try fixture.write("m", 2, "bias=2")
    async let rescanned: Void = fixture.router.rescan()
    #expect(try await second.contains(#""model_version":"2""#))
    fixture.go()
    #expect(try await first.contains(#""model_version":"1""#))
    await rescanned
    #expect(fixture.count(.models) == 1)
  }

  @Test func `go on to the next as often as theirs is taken away`() async throws {
    let fixture = try RouterFixture()
    for version in 1...2 { try fixture.write("m", version, "fault=polls_cancel") }
    try fixture.settings("m", #"{"maxConcurrentRuns": 1, "versions": {"all": true}}"#)
    await fixture.router.start()
    let old = try [1, 2].map { try fixture.version("m", $0).instances[0] }
    let requests = [RunRequestBox(), RunRequestBox()]
    async let first = failure { _ = try await fixture.answer("m", 1, requests[0].value) }
    async let second = failure { _ = try await fixture.answer("m", 2, requests[1].value) }
    try await wait(for: "both runs") { fixture.count(.running) == 2 }
    async let moved = infer(fixture)
    try await wait(for: "the request at version 2") { old[1].gate.waitingCount == 1 }
    try fixture.remove("m/2")
    async let rescanned: Void = fixture.router.rescan()
    try await wait(for: "the request at version 1") { old[0].gate.waitingCount == 1 }
    old[1].cancel(requests[1].value.ticket, id: requests[1].value.ticket.id, .caller)
    #expect(await second?.code == .cancelled)
    await rescanned
    try fixture.write("m", 3, "bias=3")
    try fixture.remove("m/1")
    async let again: Void = fixture.router.rescan()
    #expect(try await moved.contains(#""model_version":"3""#))
    old[0].cancel(requests[0].value.ticket, id: requests[0].value.ticket.id, .caller)
    #expect(await first?.code == .cancelled)
    await again
  }

  @Test func `are read anew by what the one in its place takes and gives`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "fault=ignores_cancel\noutputs=2")
    try fixture.settings("m", #"{"maxConcurrentRuns": 1}"#)
    await fixture.router.start()
    let old = try fixture.version("m")
    async let first = infer(fixture, output: "Z")
    try await wait(for: "the first run") { fixture.count(.running) == 1 }
    async let second = failure { _ = try await infer(fixture, output: "Z") }
    try await wait(for: "the second request") { old.instances[0].gate.waitingCount == 1 }
    try fixture.write("m", 2)
    async let rescanned: Void = fixture.router.rescan()
    #expect(await second?.message == "unexpected inference output 'Z' for model 'm'; it has 'Y'")
    #expect(fixture.count(.runs) == 1)
    fixture.go()
    #expect(try await first.contains(#""name":"Z""#))
    await rescanned
  }

  @Test func `are refused where no version takes its place`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "fault=ignores_cancel\nbias=1")
    try fixture.settings("m", #"{"maxConcurrentRuns": 1}"#)
    await fixture.router.start()
    let old = try fixture.version("m")
    async let first = infer(fixture)
    try await wait(for: "the first run") { fixture.count(.running) == 1 }
    async let second = failure { _ = try await infer(fixture) }
    try await wait(for: "the second request") { old.instances[0].gate.waitingCount == 1 }
    async let unloaded: Void = fixture.router.unload("m")
    #expect(
      await second?.message == "Request for unknown model: 'm' has no available versions: unloaded")
    fixture.go()
    _ = try await first
    await unloaded
  }

  @Test func `a runner's own conflict is not tried again`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "code=7")
    await fixture.router.start()
    #expect(await failure { _ = try await infer(fixture) }?.code == .conflict)
    #expect(fixture.count(.runs) == 1)
  }

  /// Who finds the gate closed asks the table again, and has nowhere to go if it still names the same.
  @Test func `find another table whenever theirs is closed, as when a process ends`() async throws {
    for _ in 0..<20 {
      let fixture = try RouterFixture()
      try fixture.write("m", 1, "bias=1")
      await fixture.router.start()
      let old = try fixture.version("m")
      let isLooking = Flag()
      let hasLooked = Flag()
      let foundTheSame = Flag()
      // A thread of its own: it looks without a pause.
      Thread.detachNewThread {
        isLooking.set()
        while !old.instances[0].gate.isClosed {}
        if (try? fixture.version("m")) === old { foundTheSame.set() }
        hasLooked.set()
      }
      try await wait(for: "the look-out") { isLooking.isSet }
      await fixture.router.lost(old.instances[0].runner, RunnerEnd(reason: "ended by the test"))
      try await wait(for: "the look at the table") { hasLooked.isSet }
      #expect(!foundTheSame.isSet)
    }
  }
}
