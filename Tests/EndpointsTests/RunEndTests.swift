import Foundation
import HTTPTestClient
import Routing
import Inference
import Running
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct `Ending runs early` {
  private let host: EchoHost

  init() async { host = await EchoHost.shared.value }

  private let json = request(input("INT8", "[1]", "[1]"))

  @Test func `answers 504 at the deadline of the request or of the model`() throws {
    let slow = try host.infer("slow", request(input("INT8", "[1]", "[1]"), more: #""parameters":{"timeout":50000}"#))
    #expect(slow.status == 504)
    #expect(slow.error?.contains("deadline") == true)
    #expect(try host.infer("late", json).status == 504)
    // Later than the clock can count: none.
    let never = #""parameters":{"timeout":18446744073709551615}"#
    #expect(try host.infer("INT8", request(input("INT8", "[1]", "[1]"), more: never)).status == 200)
  }

  @Test func `ends the run of a client that leaves, whenever it does`() throws {
    let failed = try host.count("fail", of: "slow")
    for round in 0..<100 {
      let client = try host.client()
      try client.send(inferRequest("slow", json))
      // In even rounds it leaves before the host can have begun.
      if round % 2 == 1 { #expect(eventually { host.running("slow") == 1 }) }
      client.leave()
      #expect(eventually { host.running("slow") == 0 }, "round \(round)")
      // A run that was never begun counts nowhere; one that was has failed.
      if try round > 4 && host.count("fail", of: "slow") > failed { break }
    }
    #expect(try host.count("fail", of: "slow") > failed, "a run that had begun has ended early")
    #expect(try host.count("success", of: "slow") == 0)
  }

  @Test func `lets one run, one wait, and refuses the third`() throws {
    let first = try host.client()
    try first.send(inferRequest("narrow", json))
    #expect(eventually { host.running("narrow") == 1 })
    let second = try host.client()
    try second.send(inferRequest("narrow", json))
    #expect(eventually { host.waiting("narrow") == 1 })
    let third = try host.infer("narrow", json)
    #expect(third.status == 503)
    #expect(third.headers["retry-after"] == "1")
    #expect(third.error?.contains("1 requests wait") == true)
    // The one that waits leaves, another takes its place and times out there.
    second.leave()
    #expect(eventually { host.waiting("narrow") == 0 })
    let timed = request(input("INT8", "[1]", "[1]"), more: #""parameters":{"timeout":30000}"#)
    #expect(try host.infer("narrow", timed).status == 504)
    first.leave()
    #expect(eventually { host.running("narrow") == 0 })
    #expect(try host.infer("narrow", timed).status == 504)
  }
}

extension EchoHost {
  private func gate(_ model: String) -> (running: Int, waiting: Int) {
    guard
      let gate = router.table.models(of: .standard).first(where: { $0.name == model })?.versions.first?.instances[0]
        .gate
    else {
      return (-1, -1)
    }
    return (gate.runningCount, gate.waitingCount)
  }

  func running(_ model: String) -> Int { gate(model).running }
  func waiting(_ model: String) -> Int { gate(model).waiting }
}
