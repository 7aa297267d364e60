import BlockingTests
import Foundation
import StadionClient
import Testing

/// What is left of runners' processes when their host ends.
@Suite(.blocking) struct `Runners' processes` {
  /// Two runners, one of them in a run that never ends by itself.
  private func start() throws -> (host: Host, processes: [Int32], client: Command) {
    let host = try Host.withRunners {
      for id in ["org.a", "org.b"] { try $0.addFaulty(id) }
      try $0.addFaultyModel("idle", settings: #"{"runners": ["org.a"]}"#)
      try $0.addFaultyModel("busy", "ms=3000", settings: #"{"runners": ["org.b"]}"#)
    }
    #expect(try host.ask("idle").status == 200)
    let client = try Command([
      "curl", "-s", "-w", " %{http_code}", "--max-time", "20", "--unix-socket", host.socket, "-d", Host.question(),
      "http://host/v2/models/busy/infer",
    ])
    try #require(holds { try host.running("busy") == 1 }, "the run didn't start")
    let processes = try [host.process("org.a"), host.process("org.b")]
    for process in processes { #expect(Processes.runs(process)) }
    return (host, processes, client)
  }

  @Test func `end with a host that is killed`() throws {
    let (host, processes, client) = try start()
    host.command.send(SIGKILL)
    _ = try host.command.wait()
    for process in processes { #expect(holds { !Processes.runs(process) }, "\(process) is an orphan") }
    #expect(try client.wait().output.hasSuffix("000"))
  }

  @Test func `end with a host that is killed, even when they are stopped`() throws {
    let host = try Host.withRunners {
      try $0.addFaulty("org.a")
      try $0.addFaultyModel("m", "fault=stop")
    }
    let process = try host.process()
    let client = try Command([
      "curl", "-s", "--unix-socket", host.socket, "-d", Host.question(), "http://h/v2/models/m/infer",
    ])
    try #require(holds { Processes.state(process) == "T" }, "it isn't stopped")
    host.command.send(SIGKILL)
    _ = try host.command.wait()
    #expect(holds { !Processes.runs(process) }, "\(process) is an orphan")
    _ = try client.wait()
  }

  @Test func `answer what is under way when the host is asked to end, then end`() throws {
    let (host, processes, client) = try start()
    host.command.send(SIGTERM)
    #expect(try client.wait().output.hasSuffix(#""data":[1]}]} 200"#))
    #expect(try host.command.wait().status == 0, "\(host.command.errors)")
    for process in processes { #expect(holds { !Processes.runs(process) }, "\(process) is an orphan") }
    #expect(try host.log("a runner's process has ended").isEmpty, "a wanted end isn't a fault")
  }

  @Test func `end with a host, whatever a runner in it does at exit`() throws {
    let host = try Host.withRunners {
      try $0.addFaulty("org.a", fault: "dies_at_exit", isolation: "host")
      try $0.addFaultyModel("m")
    }
    #expect(try host.ask("m").status == 200)
    host.command.send(SIGTERM)
    #expect(try host.command.wait().status == 0, "\(host.command.errors)")
    #expect(try !host.log("stopped").isEmpty)
  }
}
