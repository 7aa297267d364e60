import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// A runner's library or manifest that changes while clients ask.
@Suite(.blocking) struct `A runner that is replaced` {
  private func start(_ arguments: [String] = []) throws -> Host {
    try Host.withRunners(arguments) {
      try $0.addFaulty("org.a")
      try $0.addFaultyModel("m")
      try $0.addFaultyModel("n")
    }
  }

  /// The library under another version, which is all that tells it apart.
  private func library(_ host: Host, version: String) throws -> [UInt8] {
    var bytes = Array(try #require(FileManager.default.contents(atPath: path(host))))
    let old = Array("\u{0}0.0.".utf8)
    let place = try #require(bytes.indices.first { $0 + old.count + 2 < bytes.count && bytes[$0...].starts(with: old) })
    let digit = bytes.index(place, offsetBy: old.count)
    #expect(bytes[digit + 1] == 0)
    bytes[digit] = Array(version.utf8).last!
    return bytes
  }

  private func path(_ host: Host) -> String { "\(host.folder.path)/\(host.folder.faultyLibrary("org.a"))" }

  /// Overwrites the file that the running process has opened.
  private func overwrite(_ host: Host, _ bytes: [UInt8]) throws {
    let file = open(path(host), O_WRONLY | O_TRUNC)
    try #require(file >= 0)
    defer { close(file) }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, min($0.count, 64 * 1024)) }
      try #require(count > 0)
      written += count
    }
  }

  private func version(_ host: Host) throws -> String? { try host.runner()?["version"]?.string }

  @Test(arguments: [true, false])
  func `by a new library fails no request, renamed or overwritten`(isRenamed: Bool) throws {
    let host = try start()
    #expect(try version(host) == "0.0.1")
    let clients = SteadyClients(host, "m")
    var process = try host.process()
    for next in ["0.0.2", "0.0.3", "0.0.4"] {
      #expect(clients.answersMore())
      let bytes = try library(host, version: next)
      if isRenamed {
        try host.folder.replace(host.folder.faultyLibrary("org.a"), bytes)
      } else {
        try overwrite(host, bytes)
      }
      #expect(try holds { try version(host) == next }, "\(host.facts)")
      let list = try host.stadion("runner", "list").output
      #expect(list.contains(next), "\(list)")
      let old = process
      process = try host.process()
      #expect(process != old)
      #expect(holds { !Processes.runs(old) }, "the old process is still there")
    }
    #expect(clients.answersMore())
    #expect(clients.stop() == [:])
    #expect(try host.runner()?["crashes"] == 0 && host.runner()?["reason"] == nil)
  }

  /// An open loop: what is asked doesn't wait for what was asked before.
  @Test(arguments: [true, false])
  func `at 2000 requests a second loses none`(isRenamed: Bool) throws {
    let host = try start()
    let versions = try ["0.0.2", "0.0.3"].map { try library(host, version: $0) }
    let load = try Command([
      Setup.stadion, "bench", "m", "--direct", "--socket", host.socket, "--shape", "X=16", "--concurrency", "1",
      "--duration", "2", "--rounds", "10", "--starts", "1", "--warm-up", "0.1", "--rate", "2000", "--arrivals",
      "constant", "--json", "-",
    ])
    var replaced = 0
    while load.status == nil {
      let old = try host.process()
      if isRenamed {
        try host.folder.replace(host.folder.faultyLibrary("org.a"), versions[replaced % 2])
      } else {
        try overwrite(host, versions[replaced % 2])
      }
      #expect(holds { load.status != nil || (try? host.process() != old) == true }, "\(host.facts)")
      replaced += 1
    }
    let result = try load.wait(limit: .seconds(60))
    #expect(result.status == 0, "\(result.output.suffix(2000))\(result.errors)")
    let runner = try #require(try JSONValue(parsing: result.output)["runners"]?.array?.first)
    let open = try #require(runner["loads"]?.array?.first { $0["requestsPerSecond"] != nil })
    #expect(open["requestsPerSecond"]?.double == 2000 && open["errors"] == 0, "\(open.text)")
    #expect((open["answered"]?.int ?? 0) >= 3500, "\(open.text)")
    #expect(replaced >= 5, "\(replaced) in all that time")
    #expect(try host.runner()?["crashes"] == 0 && host.runner()?["reason"] == nil)
  }

  @Test(arguments: [true, false])
  func `by garbage goes on as it was and says why, until it is mended`(isRenamed: Bool) throws {
    let host = try start()
    let whole = try library(host, version: "0.0.2")
    let process = try host.process()
    let clients = SteadyClients(host, "m")
    let garbage = Array("this is no library".utf8)
    if isRenamed {
      try host.folder.replace(host.folder.faultyLibrary("org.a"), garbage)
    } else {
      try overwrite(host, garbage)
    }
    func isRefused() throws -> Bool {
      try host.runner()?["reason"]?.string?.contains("its replacement isn't used: ") == true
    }
    #expect(try holds { try isRefused() }, "\(host.facts)")
    let list = try host.stadion("runner", "list").output
    #expect(list.contains("ready") && list.contains("its replacement isn't used: "), "\(list)")
    // Something else changes in the folder; the library is as broken as before.
    try host.folder.addFaulty("org.z")
    #expect(try holds { try host.runner("org.z") != nil })
    #expect(try isRefused())
    #expect(try host.process() == process)
    #expect(clients.answersMore())
    try host.folder.replace(host.folder.faultyLibrary("org.a"), whole)
    #expect(try holds { try version(host) == "0.0.2" }, "\(host.facts)")
    #expect(try !isRefused())
    #expect(clients.answersMore())
    #expect(clients.stop() == [:])
  }

  @Test func `by a manifest that has changed fails no request`() throws {
    let host = try start()
    let clients = SteadyClients(host, "m")
    var process = try host.process()
    for more in [#""priority": 7"#, #""priority": 7, "options": {"color": "blue"}"#] {
      #expect(clients.answersMore())
      try host.folder.writeManifest("org.a", library: path(host), format: "faulty", more)
      #expect(try holds { try ![0, process].contains(host.process()) }, "\(host.facts)")
      #expect(try host.runner()?["priority"] == 7)
      process = try host.process()
    }
    #expect(clients.answersMore())
    #expect(clients.stop() == [:])
  }

  @Test func `by an operator under load fails no request`() throws {
    let host = try start()
    let clients = [SteadyClients(host, "m", count: 2), SteadyClients(host, "n", count: 2)]
    for _ in 0..<3 {
      let process = try host.process()
      for each in clients { #expect(each.answersMore(20)) }
      let result = try host.stadion("runner", "restart", "org.a")
      #expect(result.status == 0, "\(result.errors)")
      #expect(try host.process() != process)
      #expect(holds { !Processes.runs(process) })
    }
    for each in clients {
      #expect(each.answersMore(20))
      #expect(each.stop() == [:])
    }
  }

  @Test func `with large tensors under way fails no request`() throws {
    let host = try start()
    // The body comes into the memory of a process that may be replaced before it is complete.
    let count = 200_000
    let head =
      #"{"inputs":[{"name":"X","datatype":"FP32","shape":[\#(count)],"parameters":{"binary_data_size":\#(4 * count)}}],"#
      + #""parameters":{"binary_data_output":true}}"#
    let values = (0..<count).map { Float($0 % 1000) }
    let expected = values.map { $0 + 1 }
    var request = Array(
      ("POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nInference-Header-Content-Length: \(head.utf8.count)\r\n"
        + "Content-Length: \(head.utf8.count + 4 * count)\r\nConnection: close\r\n\r\n" + head).utf8)
    request += values.withUnsafeBytes { Array($0) }
    for _ in 0..<3 {
      let client = try RawConnection(host.socket)
      client.send(Array(request[..<(request.count / 2)]))
      #expect(try host.stadion("runner", "restart", "org.a").status == 0)
      client.send(Array(request[(request.count / 2)...]))
      let answer = client.readBytesToEnd() ?? []
      #expect(answer.starts(with: Array("HTTP/1.1 200".utf8)), "\(String(decoding: answer.prefix(400), as: UTF8.self))")
      #expect(answer.suffix(4 * count).elementsEqual(expected.withUnsafeBytes { Array($0) }))
    }
  }

  @Test func `by nothing ends its process, and serves again when it is back`() throws {
    let host = try start()
    let manifest = "runners/org.a.runner.json"
    for _ in 0..<2 {
      let process = try host.process()
      #expect(Processes.runs(process))
      try host.folder.move(manifest, to: "aside")
      #expect(try holds { try host.index().first?.contains("its manifest is gone") == true }, "\(host.state)")
      #expect(holds { !Processes.runs(process) }, "the process is still there")
      #expect(try host.ask("m").status == 404)
      try host.folder.move("aside", to: manifest)
      #expect(try holds { try host.ask("m").status == 200 }, "\(host.state)")
    }
  }
}
