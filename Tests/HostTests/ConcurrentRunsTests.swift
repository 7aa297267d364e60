import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Runs of all models at once are limited; who waits can leave.
@Suite(.blocking) struct `Runs of all models` {
  private static let question = #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#

  private func host() throws -> Host {
    try Host(["--concurrent-runs", "1"]) {
      try $0.addEcho("echo", "X:f32[-1]")
      try $0.addEcho("slow", "X:f32[-1]", options: ["sleep_ms": "20000"])
    }
  }

  private func ask(_ host: Host, _ model: String) throws -> Command {
    try Command([
      "curl", "-s", "-w", " %{http_code}", "--max-time", "20", "--unix-socket", host.socket, "-d", Self.question,
      "http://h/v2/models/\(model)/infer",
    ])
  }

  @Test func `wait for each other, and begin when a place is free`() throws {
    let host = try host()
    let slow = try ask(host, "slow")
    try #require(holds { try host.running("slow") == 1 })
    let quick = try ask(host, "echo")
    // It is past its model's own gate, and waits.
    try #require(holds { try host.running("echo") == 1 })
    #expect(quick.status == nil)
    #expect(try host.send("GET", "/v2/health/ready").status == 200)
    slow.send(SIGKILL)
    #expect(try quick.wait().output.hasSuffix(" 200"))
    #expect(try holds { try host.running("slow") == 0 })
    #expect(try host.send("POST", "/v2/models/echo/infer", Self.question).status == 200)
  }

  @Test func `that wait end at their deadline, and when their caller leaves`() throws {
    let host = try host()
    let slow = try ask(host, "slow")
    try #require(holds { try host.running("slow") == 1 })
    let short = #"{"parameters":{"timeout":50000},"# + Self.question.dropFirst()
    #expect(try host.send("POST", "/v2/models/echo/infer", short).status == 504)
    let other = try ask(host, "echo")
    try #require(holds { try host.running("echo") == 1 })
    other.send(SIGKILL)
    #expect(try holds { try host.running("echo") == 0 })
    slow.send(SIGKILL)
    #expect(try holds { try host.running("slow") == 0 })
    #expect(try host.send("POST", "/v2/models/echo/infer", Self.question).status == 200)
  }
}
