import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// What versions must pass before they are promoted.
@Suite(.blocking) struct `A promotion's gates` {
  /// With a model m, whose version 1 adds 1 and is in production; version 2 is what `second` says.
  private func host(_ second: String) throws -> Host {
    let folder = TemporaryFolder()
    folder.makeFolder("runners")
    let host = try Host(["--data", "\(folder.path)/data"], manifests: "\(folder.path)/runners", folder: folder) {
      try $0.addFaulty("org.a", #""limits": {"killAfterMs": 200}"#)
    }
    for (label, text) in [("1", "bias=1"), ("2", second)] {
      let file = try folder.write("\(label).faulty", text + "\n")
      let result = try host.stadion("model", "push", file, "m:\(label)")
      #expect(result.status == 0, "\(result.errors)")
    }
    #expect(try host.stadion("model", "promote", "m:1").status == 0)
    return host
  }

  private func production(_ host: Host) throws -> String? {
    try host.json("GET", "/v1/versions?stage=production")["versions"]?.array?.first?["version"]?.string
  }

  @Test(arguments: [
    ("fault=segv", #"{"warmUp": {}}"#, "warmUp", "run 1 of 3 failed: runner org.a: its process was ended by signal 11"),
    ("code=9", #"{"warmUp": {"runs": 2}}"#, "warmUp", "run 1 of 2 failed: runner org.a failed to run: as told"),
    ("ms=20000", #"{"warmUp": {"timeoutMs": 100}}"#, "warmUp", "a run went on for 200 ms after it was cancelled"),
    ("bias=1.5", #"{"parity": {}}"#, "parity", "1 of 1 elements of output 'Y' are up to 0.500 away from version 1"),
    ("bias=1\noutputs=2", #"{"parity": {}}"#, "parity", "output 'Z' is none of the reference's"),
    ("fault=abort", #"{"parity": {}}"#, "parity", "version 2 gives no answer to set 1 of 4"),
    ("bias=1.5", #"{"parity": {"relative": 0.9}, "shapes": {"W": [1]}}"#, "parity", "no input \"W\""),
  ])
  func `refuse by name, say what was seen, and change nothing`(
    second: String, gates: String, gate: String, words: String
  ) throws {
    let host = try host(second)
    let process = try host.process()
    #expect(try host.send("PUT", "/v1/models/m/gates", gates).status == 200)
    let clients = SteadyClients(host, "m", count: 2)
    let answer = try host.send("POST", "/v1/models/m/promote", #"{"version": "2"}"#)
    #expect(answer.status == 409, "\(answer.text)")
    let json = try JSONValue(parsing: answer.body)
    #expect(
      json["details"]?["gate"]?.string == gate && json["error"]?.string?.contains(words) == true, "\(answer.text)")
    #expect(clients.answersMore())
    #expect(clients.stop() == [:])
    #expect(try production(host) == "1" && host.process() == process)
    #expect(try host.runner()?["crashes"] == 0)
    // Where the gates don't stand in the way.
    #expect(try host.stadion("model", "promote", "m:2", "--stage", "staging").status == 0)
  }

  @Test(arguments: ["bias=1", "bias=1.00001"]) func `let pass what agrees, and history tells`(second: String) throws {
    let host = try host(second)
    let set = try host.stadion(
      "model", "gates", "m", "--parity", "2", "--seed", "7", "--warm-up", "1", "--shape", "X=8", "--approver", "admin")
    #expect(set.status == 0, "\(set.errors)")
    #expect(try host.stadion("model", "gates", "m").output == set.output && set.output.contains("seed 7"))
    #expect(try host.stadion("model", "promote", "m:2").output == "m:2 is in production, in place of 1\n")
    let note =
      try host.json("GET", "/v1/models/m/history?place=production")["history"]?.array?.first?["note"]?.string ?? ""
    #expect(note.hasPrefix("passed gates: by admin, 1 runs answered, 2 answers within"), "\(note)")
    #expect(try host.stadion("model", "rollback", "m").status == 0)
    #expect(try host.stadion("model", "gates", "m", "--none").output == "Versions of m pass no gates.\n")
  }

  @Test func `compare with nothing where nothing is in place`() throws {
    let host = try host("bias=2")
    #expect(try host.send("PUT", "/v1/models/m/gates", #"{"parity": {}, "stages": ["staging"]}"#).status == 200)
    #expect(try host.stadion("model", "promote", "m:2", "--stage", "staging").status == 0)
    #expect(try host.stadion("model", "promote", "m:1", "--stage", "staging").errors.contains("gate parity"))
    // The one that stands there already passes.
    #expect(try host.stadion("model", "promote", "m:2", "--stage", "staging").status == 0)
  }

  /// Parity takes two trials, one after the other: many at once must not wait for each other for ever.
  @Test func `are passed by many at once`() throws {
    let host = try host("bias=1")
    #expect(try host.send("PUT", "/v1/models/m/gates", #"{"parity": {}, "warmUp": {}}"#).status == 200)
    let commands = try (0..<6).map { index in
      try Command([Setup.stadion, "model", "promote", "m:\(index % 2 + 1)", "--socket", host.socket])
    }
    for command in commands {
      let result = try command.wait(limit: .seconds(60))
      #expect(result.status == 0 || result.errors.contains("promote it again"), "\(result.errors)")
    }
  }
}
