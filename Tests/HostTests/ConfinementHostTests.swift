import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Confinement as `stadion serve` gives it; each layer by itself is seen in ConfinementTests.
@Suite(.blocking) struct `A runner in a served process` {
  /// Word of Attempts.c, its argument, and what it ends with; "" of the argument stands for none.
  private static func attempts(_ folder: TemporaryFolder, port: String) -> [(
    word: String, argument: String, code: Int32
  )] {
    let own = "\(folder.path)/models/own/1/model.escaping"
    let other = "\(folder.path)/other/1/model.onnx"
    return [
      ("write-passwd", "", EACCES), ("read-passwd", "", EACCES), ("read", other, EACCES),
      ("list", "\(folder.path)/other", EACCES), ("read", "\(folder.path)/models/link", EACCES),
      ("read", "\(folder.path)/secret", EACCES), ("write", own, EACCES),
      ("make-file", "\(folder.path)/models/new", EACCES), ("remove-file", own, EPERM),
      ("change-length", own, EPERM), ("connect", port, EPERM), ("connect-unix", "\(folder.path)/s", EPERM),
      ("send-udp", port, EPERM), ("fork", "", EPERM), ("raw-clone", "", EPERM), ("exec", "", EPERM),
      ("system", "", ECHILD), ("kill-parent", "", EPERM), ("kill-by-descriptor", "", EPERM),
      ("ptrace-parent", "", EPERM), ("read-parent-memory", "", EPERM), ("read-parent-environment", "", EACCES),
      ("slow-parent", "", EPERM), ("list-proc", "", EACCES), ("capabilities", "", EPERM), ("dumpable", "", EPERM),
      ("gain-privileges", "", EPERM), ("namespace", "", EPERM), ("mount", "\(folder.path)/other", EPERM),
      ("io-uring", "", EPERM), ("bpf", "", EPERM),
    ]
  }

  /// A host with a model for each attempt, named by its number.
  private func start(isolation: String, _ listener: Listener) throws -> Host {
    try Host.withRunners { folder in
      try folder.addEscaping(isolation: isolation)
      for (index, attempt) in Self.attempts(folder, port: listener.port).enumerated() {
        try folder.write(
          "models/a\(index)/1/model.escaping", "attempt=\(attempt.word)\nargument=\(attempt.argument)\n")
      }
      try folder.write(
        "models/own/1/model.escaping", "attempt=read\nargument=\(folder.path)/models/own/1/model.escaping\n")
      for word in ["null", "memory-file", "threads", "compile", "processor"] {
        try folder.write("models/\(word)/1/model.escaping", "attempt=\(word)\nargument=4\n")
      }
      try folder.write("other/1/model.onnx", "another tenant's")
      try folder.write("secret", "of the host")
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder.path)/models/link", withDestinationPath: "\(folder.path)/other/1/model.onnx")
    }
  }

  private func code(_ host: Host, _ model: String) throws -> Int32 {
    let outputs = try host.infer(model)
    return try #require(outputs.first).load(Int32.self, at: 0)
  }

  @Test func `doesn't escape by what would work inside the host`() throws {
    let listener = try Listener()
    let host = try start(isolation: "process", listener)
    let process = try host.process("org.stadion.test.escaping")
    for (index, attempt) in Self.attempts(host.folder, port: listener.port).enumerated() {
      let code = try code(host, "a\(index)")
      #expect(code == attempt.code, "\(attempt.word) \(attempt.argument)")
    }
    #expect(try host.process("org.stadion.test.escaping") == process)
    #expect(try host.runner("org.stadion.test.escaping")?["crashes"] == 0)
    #expect(try host.log("a runner's process has ended").isEmpty)
    // What it may: its models, and what engines need.
    for word in ["own", "null", "memory-file", "threads", "compile", "processor"] {
      #expect(try code(host, word) == 0, "\(word)")
    }
  }

  @Test func `takes no more memory than its manifest allows`() throws {
    let host = try Host.withRunners { folder in
      try folder.addEscaping(isolation: "process", #""limits": {"memoryBytes": \#(256 << 20)}"#)
      for megabytes in [64, 512] {
        try folder.write(
          "models/m\(megabytes)/1/model.escaping", "attempt=memory\nargument=\(megabytes << 20)\n")
      }
    }
    let process = try host.process("org.stadion.test.escaping")
    #expect(try code(host, "m64") == 0)
    // Where the kernel ends it, in a control group, others are asked again when it is back.
    let answer = try host.send("POST", "/v2/models/m512/infer", #"{"inputs": []}"#)
    #expect(answer.status == 502 || answer.text.contains("[\(ENOMEM)]"), "\(answer.text)")
    #expect(holds { (try? code(host, "m64")) == 0 }, "\(host.state)")
    if answer.status == 200 { #expect(try host.process("org.stadion.test.escaping") == process) }
  }

  @Test func `would otherwise: what it is kept from works inside the host`() throws {
    let listener = try Listener()
    let host = try start(isolation: "host", listener)
    // Those that change nothing where they succeed, and need no root.
    let words = [
      "read-passwd", "read", "list", "write", "change-length", "connect", "connect-unix", "send-udp", "fork",
      "raw-clone", "kill-parent", "read-parent-environment", "list-proc", "slow-parent",
    ]
    for (index, attempt) in Self.attempts(host.folder, port: listener.port).enumerated()
    where words.contains(attempt.word) {
      #expect(try code(host, "a\(index)") == 0, "\(attempt.word) \(attempt.argument)")
    }
  }
}

/// `stadion bench` opens runners without a host, too.
@Suite(.blocking) struct `A runner in process in a benchmark` {
  private let folder = TemporaryFolder()

  /// - Parameter isolation: Of the runner in the benchmark's host; the one without a host has a process of its own.
  private func bench(isolation: String, _ attempt: String, _ argument: String) throws -> Command.Result {
    try folder.addEscaping(isolation: isolation)
    try folder.write("models/m/1/model.escaping", "attempt=\(attempt)\nargument=\(argument)\n")
    return try Command.run(
      [
        Setup.stadion, "bench", "m", "--models", "\(folder.path)/models", "--manifests", "\(folder.path)/runners",
        "--ways", "in-process", "--duration", "0.1", "--rounds", "10", "--warm-up", "0.1", "--starts", "1",
        "--concurrency", "1",
      ], environment: ["TMPDIR": folder.path], limit: .seconds(60))
  }

  @Test(arguments: [("process", false), ("host", true)])
  func `makes no file`(isolation: String, isMade: Bool) throws {
    let path = "\(folder.path)/made"
    let result = try bench(isolation: isolation, "make-file", path)
    #expect(result.status == 0 && result.output.contains("in process"), "\(result)")
    #expect(FileManager.default.fileExists(atPath: path) == isMade)
  }

  @Test func `reaches no server`() throws {
    let listener = try Listener()
    let result = try bench(isolation: "process", "connect", listener.port)
    #expect(result.status == 0 && result.output.contains("in process"), "\(result)")
    #expect(!listener.wasReached)
  }
}
