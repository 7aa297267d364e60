import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

@Suite(.blocking) struct `A host's life` {
  private static let question =
    #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[7]}]}"#

  /// A client that waits for an answer of a model that takes `sleep_ms`; returns once the model runs.
  private func slowRequest(_ host: Host, _ model: String) throws -> Command {
    let client = try Command([
      "curl", "-s", "-w", " %{http_code}", "--max-time", "20", "--unix-socket", host.socket, "-d", Self.question,
      "http://host/v2/models/\(model)/infer",
    ])
    try #require(holds { try host.running(model) == 1 }, "the slow request didn't start")
    return client
  }

  private func slowModel(_ folder: TemporaryFolder, _ milliseconds: Int) throws {
    try folder.addEcho("slow", "X:f32[-1]", options: ["sleep_ms": "\(milliseconds)"])
  }

  @Test(arguments: [SIGTERM, SIGINT]) func `a signal lets the request in flight be answered`(signal: Int32) throws {
    let host = try Host { try slowModel($0, 700) }
    let client = try slowRequest(host, "slow")
    host.command.send(signal)
    // No new connections while the old request is under way.
    #expect(holds { !Setup.isThere(host.socket) })
    let answer = try client.wait()
    #expect(answer.output.hasSuffix(#""data":[7]}]} 200"#), "\(answer.output)")
    #expect(try host.command.wait().status == 0, "\(host.command.errors)")
    #expect(!Setup.isThere(host.socket))
  }

  @Test func `a second signal ends at once`() throws {
    let host = try Host { try slowModel($0, 600_000) }
    let client = try slowRequest(host, "slow")
    host.command.send(SIGTERM)
    #expect(try holds { try !host.log("draining").isEmpty })
    host.command.send(SIGTERM)
    #expect(try host.command.wait(limit: .seconds(5)).status == 1)
    #expect(try client.wait().output.hasSuffix("000"))
  }

  @Test func `the time to drain has an end`() throws {
    let host = try Host(["--drain-timeout-ms", "200"]) { try slowModel($0, 600_000) }
    let client = try slowRequest(host, "slow")
    host.command.send(SIGTERM)
    #expect(try host.command.wait(limit: .seconds(10)).status == 1)
    #expect(try host.log("ended before every request was answered").count == 1)
    #expect(try client.wait().output.hasSuffix("000"))
  }

  @Test func `idle connections don't hold up the end`() throws {
    let host = try Host()
    #expect(try host.client.isReady())
    host.command.send(SIGTERM)
    #expect(try host.command.wait(limit: .seconds(5)).status == 0)
  }

  @Test func `the socket is for owner and group only`() throws {
    let host = try Host()
    var info = stat()
    #expect(stat(host.socket, &info) == 0)
    #expect(info.st_mode & 0o7777 == 0o660)
  }

  @Test func `a stale socket is replaced`() throws {
    let folder = TemporaryFolder()
    let first = try Host(folder: folder)
    first.command.send(SIGKILL)
    _ = try first.command.wait()
    #expect(Setup.isThere(first.socket))
    let second = try Host(folder: folder)
    #expect(try second.client.isReady())
  }

  @Test func `a socket in use is left alone`() throws {
    let first = try Host()
    let second = try Command.run([Setup.stadion, "serve", "--socket", first.socket])
    #expect(second.status == 1)
    #expect(second.errors.contains("is in use by another process"), "\(second.errors)")
    #expect(try first.client.isReady())
  }

  @Test func `a file at the socket's place is left alone`() throws {
    let folder = TemporaryFolder()
    let file = try folder.write("s", "precious")
    let result = try Command.run([Setup.stadion, "serve", "--socket", file])
    #expect(result.status == 1)
    #expect(result.errors.contains("is not a socket"), "\(result.errors)")
    #expect(FileManager.default.contents(atPath: file) == Data("precious".utf8))
  }

  @Test(
    arguments: [
      (["--listen", "127.0.0.1:0"], 2, "--anonymous"), (["--listen", "0.0.0.0:0", "--anonymous"], 1, "loopback"),
      (["--listen", "nowhere", "--anonymous"], 2, "HOST:PORT"), (["--anonymous"], 2, "--listen"),
      (["--models", "/nowhere"], 2, "/nowhere"), (["--log-level", "loud"], 2, "loud"),
      (["--loops", "0"], 2, "--loops"),
      (["--socket", "/nowhere/s"], 1, "/nowhere/s"),
    ] as [([String], Int32, String)])
  func `a start that can't be is refused in one line`(arguments: [String], status: Int32, words: String) throws {
    let folder = TemporaryFolder()
    let place = arguments.contains("--socket") ? [] : ["--socket", "\(folder.path)/s"]
    let result = try Command.run([Setup.stadion, "serve"] + place + arguments)
    #expect(result.status == status, "\(result.errors)")
    let line = result.errors.split(separator: "\n").last ?? ""
    #expect(line.hasPrefix("stadion: ") && line.contains(words), "\(result.errors)")
    #expect(!Setup.isThere("\(folder.path)/s"), "the socket is left behind")
  }

  @Test func `an answer larger than allowed is refused`() throws {
    let host = try Host(["--max-output-bytes", "8"]) { try $0.addEcho("echo", "X:f32[-1]") }
    func ask(_ count: Int) throws -> HTTPResponse {
      let data = Array(repeating: "1", count: count).joined(separator: ",")
      let input = #"{"name":"X","datatype":"FP32","shape":[\#(count)],"data":[\#(data)]}"#
      return try host.send("POST", "/v2/models/echo/infer", #"{"inputs":[\#(input)]}"#)
    }
    #expect(try ask(2).status == 200)
    let answer = try ask(3)
    #expect(answer.status == 503)
    #expect(String(decoding: answer.body, as: UTF8.self).contains("the limit of 8 bytes"))
  }

  @Test func `requests are in the log at debug only`() throws {
    let plain = try Host { try $0.addEcho("echo", "X:f32[-1]") }
    let verbose = try Host(["--log-level", "debug"]) { try $0.addEcho("echo", "X:f32[-1]") }
    for host in [plain, verbose] {
      #expect(try host.send("POST", "/v2/models/echo/infer", Self.question).status == 200)
    }
    #expect(try plain.log("request").isEmpty)
    let hasLine = try holds {
      try verbose.log("request").contains { line in
        line["path"] == "/v2/models/echo/infer" && line["status"] == "200" && line["level"] == "debug"
      }
    }
    #expect(hasLine, "\(verbose.command.errors)")
    // `log` has read every line as JSON.
    #expect(try plain.log().allSatisfy { $0["time"]?.string?.hasSuffix("Z") == true })
  }

  @Test func `the log is text on a terminal`() throws {
    let folder = TemporaryFolder()
    let serve = "'\(Setup.stadion)' serve --socket \(folder.path)/s --manifests /nowhere --listen 0.0.0.0:0 --anonymous"
    let result = try Command.run(["script", "--quiet", "--return", "--command", serve, "/dev/null"])
    #expect(result.status == 1)
    let line = result.output.split(whereSeparator: \.isNewline).first ?? ""
    #expect(line.contains("Z warning refused a manifest problem=/nowhere"), "\(result.output)")
  }
}
