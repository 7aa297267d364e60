import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Models that are tried out before they are registered, in a process that serves nobody.
@Suite(.blocking) struct `Trying out a version` {
  private func host(_ more: String = "") throws -> Host {
    let folder = TemporaryFolder()
    folder.makeFolder("runners")
    return try Host(["--data", "\(folder.path)/data"], manifests: "\(folder.path)/runners", folder: folder) {
      try $0.addFaulty("org.a", more)
      try $0.addFaultyModel("good")
    }
  }

  private func push(_ host: Host, _ fault: String, _ name: String) throws -> Command.Result {
    try host.stadion("model", "push", host.folder.write("\(name).faulty", "fault=\(fault)\nbias=1\n"), name)
  }

  @Test(arguments: [
    ("load_segv", "ended by signal 11 (SIGSEGV)"), ("load_hangs", "ended by the host"), ("load_null", "org.a"),
  ])
  func `disturbs nobody, however it ends`(fault: String, reason: String) throws {
    let host = try host(#""limits": {"loadTimeoutMs": 100, "killAfterMs": 100}"#)
    let process = try host.process()
    let clients = SteadyClients(host, "good", count: 2)
    #expect(clients.answersMore())
    let result = try push(host, fault, "bad")
    #expect(result.status == 1)
    #expect(result.errors.contains("is not registered") && result.errors.contains(reason), "\(result.errors)")
    #expect(clients.answersMore())
    #expect(clients.stop() == [:])
    #expect(try host.process() == process && host.runner()?["crashes"] == 0, "\(host.facts)")
    #expect(try host.json("GET", "/v1/versions")["versions"] == [])
    // The name is free, and the process of the trial has gone.
    #expect(try push(host, "none", "bad").status == 0)
    #expect(try host.ask("bad").text.contains(#""data":[2]"#))
    #expect(holds { Self.children(of: host.command.pid) == [process] }, "\(Self.children(of: host.command.pid))")
  }

  @Test func `leaves a runner in the host alone, too`() throws {
    let folder = TemporaryFolder()
    folder.makeFolder("runners")
    let host = try Host(["--data", "\(folder.path)/data"], manifests: "\(folder.path)/runners", folder: folder) {
      try $0.addFaulty("org.a")
      try $0.writeManifest(
        "org.a", library: "\($0.path)/\($0.faultyLibrary("org.a"))", format: "faulty", isolation: "host")
      try $0.addFaultyModel("good")
    }
    #expect(try push(host, "load_segv", "bad").errors.contains("ended by signal 11 (SIGSEGV)"))
    #expect(try host.ask("good").status == 200)
    // What works in the trial's process is served in the host.
    #expect(try push(host, "none", "fine").status == 0)
    #expect(try host.ask("fine").status == 200)
    #expect(holds { Self.children(of: host.command.pid) == [] })
  }

  private static func children(of process: pid_t) -> [pid_t] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.filter { child in
      guard let text = FileManager.default.contents(atPath: "/proc/\(child)/stat") else { return false }
      let fields = String(decoding: text, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
      return fields.count > 1 && fields[1] == "\(process)"
    }
  }
}
