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

  /// A server that would be reached: its port.
  private final class Listener {
    let descriptor: Int32
    let port: String

    init() throws {
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      var size = socklen_t(MemoryLayout<sockaddr_in>.size)
      let (descriptor, code) = withUnsafeMutablePointer(to: &address) { [descriptor] in
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          (descriptor, bind(descriptor, $0, size) | listen(descriptor, 8) | getsockname(descriptor, $0, &size))
        }
      }
      guard code == 0, descriptor >= 0 else { throw POSIXError(.EADDRNOTAVAIL) }
      port = String(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }
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
