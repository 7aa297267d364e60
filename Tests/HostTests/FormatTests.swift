import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// One version folder that holds a model in two formats, of which the faulty runner takes one and the Echo runner the
/// other. Both read X and answer Y; the faulty one adds 1.
@Suite(.blocking) struct `A model in two formats` {
  /// A crash lasts until the test ends it.
  private static let staysDown = ["--restart-after-ms", "600000", "--restart-at-most-ms", "600000"]

  private func start(_ faulty: String, outputs: String = "Y:f32[-1]", more: String = "") throws -> Host {
    try Host.withRunners(Self.staysDown) {
      try $0.addFaulty("org.a", #""priority": 2"#)
      try $0.addEchoRunner()
      try $0.write("models/m/1/model.faulty", faulty + "\n")
      try $0.write("models/m/1/model.echo", "")
      try $0.write(
        "models/m/model.json",
        "{\(more)\"options\": {\"inputs\": \"X:f32[-1]\", \"outputs\": \"\(outputs)\"}}")
    }
  }

  private func platform(_ host: Host) throws -> String? { try host.json("GET", "/v2/models/m")["platform"]?.string }

  @Test func `is served by the better runner, and by the other while that one is down`() throws {
    let host = try start("bias=1")
    #expect(try host.server(of: "m") == "org.a" && platform(host) == "faulty")
    #expect(try host.ask("m").text.contains(#""data":[2]"#))
    #expect(kill(try host.process(), SIGKILL) == 0)
    #expect(try holds { try host.server(of: "m") == "org.stadion.echo" }, "\(host.state)")
    #expect(try platform(host) == "echo")
    #expect(try host.ask("m").text.contains(#""data":[1]"#))
    let shown = try host.stadion("model", "show", "m").output
    #expect(shown.contains("echo") && !shown.contains("faulty"), "\(shown)")
    #expect(try host.stadion("runner", "restart", "org.a").status == 0)
    #expect(try holds { try platform(host) == "faulty" }, "\(host.state)")
    #expect(try host.ask("m").text.contains(#""data":[2]"#))
  }

  @Test func `is unavailable rather than answered otherwise`() throws {
    let host = try start("bias=1", outputs: "Other:f32[-1]")
    #expect(kill(try host.process(), SIGKILL) == 0)
    let words = "echo: runner org.stadion.echo on cpu: inputs or outputs differ from those of org.a on cpu"
    #expect(try holds { try host.index().first?.contains(words) == true }, "\(host.state)")
    #expect(try host.ask("m").status == 503)
    #expect(try host.stadion("runner", "restart", "org.a").status == 0)
    #expect(try holds { try host.ask("m").status == 200 }, "\(host.state)")
  }

  @Test func `is served from the other file when one is refused, and says why`() throws {
    let host = try start("load_code=9")
    let reason = "faulty: runner org.a failed to load the model: the file smells"
    #expect(try host.index() == ["m:1 READY: \(reason)"])
    #expect(try platform(host) == "echo")
    for verb in ["list", "show"] {
      let words = verb == "list" ? ["model", "list"] : ["model", "show", "m"]
      let output = try Command.run([Setup.stadion] + words + ["--socket", host.socket]).output
      #expect(output.contains("echo") && output.contains(reason), "\(output)")
    }
  }

  @Test func `is served in the one that model_json names`() throws {
    let host = try start("bias=1", more: #""format": "echo", "#)
    #expect(try host.server(of: "m") == "org.stadion.echo" && platform(host) == "echo")
    #expect(try host.index() == ["m:1 READY"])
  }

  @Test func `that nobody takes says which, and who takes what`() throws {
    let host = try Host.withRunners {
      try $0.addEchoRunner()
      try $0.write("models/m/1/model.onnx", [8, 9, 18, 0])
      try $0.write("models/m/1/model.tflite", [28, 0, 0, 0] + Array("TFL3".utf8))
    }
    let words = "no runner for format onnx or tflite (1 runner: org.stadion.echo cpu: serves echo, not onnx or tflite)"
    #expect(try host.index() == ["m:1 UNAVAILABLE: \(words); install one"])
    #expect(try host.stadion("model", "list").output.contains("onnx, tflite"))
  }
}
