import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Limits of a running host, as clients and operators see them.
@Suite(.blocking) struct `The quota of a host` {
  private static let question = #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#
  private static let path = "/v2/models/echo/infer"
  private let files = TemporaryFolder()

  private func host(_ arguments: String..., slowMs: Int = 20_000) throws -> Host {
    try Host(arguments) {
      try $0.addEcho("echo", "X:f32[-1]")
      try $0.addEcho("slow", "X:f32[-1]", options: ["sleep_ms": String(slowMs)])
    }
  }

  private func ask(_ host: Host) throws -> HTTPResponse { try host.send("POST", Self.path, Self.question) }

  private func details(_ response: HTTPResponse) throws -> JSONValue? {
    try JSONValue(parsing: response.body)["details"]
  }

  private func slow(_ host: Host) throws -> Command {
    try Command([
      "curl", "-s", "-w", " %{http_code}", "--max-time", "20", "--unix-socket", host.socket, "-d", Self.question,
      "http://h/v2/models/slow/infer",
    ])
  }

  @Test func `what is over the limit gets 429, which names it, and the connection goes on`() throws {
    let host = try host("--quota-requests-per-second", "1", "--quota-burst", "2")
    let result = try host.curl(Self.path, "-i", "-d", Self.question, "http://h\(Self.path)", "http://h\(Self.path)")
    let answers = result.output.components(separatedBy: "HTTP/1.1 ").dropFirst()
    #expect(answers.map { String($0.prefix(3)) } == ["200", "200", "429"], "\(result.output)")
    let last = try #require(answers.last)
    for line in [
      "Retry-After: 1", "RateLimit-Limit: 1", "RateLimit-Remaining: 0", "RateLimit-Reset: 1",
      #"RateLimit-Policy: "requestsPerSecond";q=1;w=1"#,
    ] {
      #expect(last.contains("\r\n\(line)\r\n"), "\(line): \(last)")
    }
    let body = try JSONValue(parsing: String(last.components(separatedBy: "\r\n\r\n")[1]))
    #expect(body["code"] == "quotaExceeded" && body["details"]?["limit"] == "requestsPerSecond")
    #expect(body["details"]?["value"] == 1)
    // Neither what operators ask for nor health is counted.
    #expect(try host.send("GET", "/v2/models/echo").status == 200)
    #expect(try holds { try ask(host).status == 200 }, "no request was let through again")
  }

  @Test func `pipelined requests behind a refused one are answered in order`() throws {
    let host = try host("--quota-requests-per-second", "1", "--quota-burst", "1")
    let connection = try RawConnection(host.socket)
    let infer =
      "POST \(Self.path) HTTP/1.1\r\nHost: h\r\nContent-Length: \(Self.question.utf8.count)\r\n\r\n\(Self.question)"
    connection.send(Array((infer + infer + "GET /v2/health/live HTTP/1.1\r\nHost: h\r\n\r\n").utf8))
    connection.endSending()
    let answers = try #require(connection.readToEnd()).components(separatedBy: "HTTP/1.1 ").dropFirst()
    #expect(answers.map { String($0.prefix(3)) } == ["200", "429", "200"])
  }

  @Test func `a large body that is over the limit is read to its end`() throws {
    let host = try host("--quota-input-bytes-per-second", "1000")
    let spaces = String(repeating: " ", count: 200_000) + Self.question
    #expect(try host.send("POST", Self.path, spaces).status == 200)
    let refused = try host.send("POST", Self.path, spaces)
    #expect(refused.status == 429)
    #expect(try details(refused)?["limit"] == "inputBytesPerSecond")
    let after = try #require(refused.header("retry-after").flatMap { Int($0) })
    #expect(
      refused.rateLimit == "\"inputBytesPerSecond\";q=1000;w=1;qu=\"content-bytes\" 1000 0 \(after) after \(after)")
    #expect(try (details(refused)?["retryAfterMs"]?.int ?? 0) > 100_000)
    #expect(try host.send("GET", "/v2/health/live").status == 200)
  }

  @Test func `SIGHUP changes limits at once`() throws {
    let file = try files.write("c.json", #"{"quota": {"requestsPerSecond": 1, "burst": 1}}"#)
    let host = try host("--config", file)
    #expect(try ask(host).status == 200)
    #expect(try ask(host).status == 429)
    try files.write("c.json", "{}")
    host.command.send(SIGHUP)
    try #require(holds { try !host.log("read the configuration again").isEmpty })
    for _ in 0..<20 { #expect(try ask(host).status == 200) }
    try files.write("c.json", #"{"quota": {"computeSecondsPerDay": 1}}"#)
    host.command.send(SIGHUP)
    try #require(holds { try host.log("read the configuration again").count == 2 })
    #expect(try ask(host).status == 200)
  }

  @Test func `run time of a day ends it for the day`() throws {
    let host = try host("--quota-compute-seconds-per-day", "1", slowMs: 1100)
    #expect(try slow(host).wait().output.hasSuffix(" 200"))
    let refused = try ask(host)
    #expect(refused.status == 429)
    #expect(try details(refused)?["limit"] == "computeSecondsPerDay")
    let after = try #require(refused.header("retry-after").flatMap { Int($0) })
    #expect((1...86_401).contains(after))
    #expect(
      refused.rateLimit == "\"computeSecondsPerDay\";q=1;w=86400;qu=\"compute-seconds\" 1 0 \(after) after \(after)")
    #expect(try host.send("GET", "/v2/health/ready").status == 200)
  }

  // MARK: Requests at once

  @Test func `a client that leaves makes room for others`() throws {
    let host = try host("--quota-concurrent-requests", "1")
    let first = try slow(host)
    try #require(holds { try host.running("slow") == 1 })
    let refused = try ask(host)
    #expect(refused.status == 429)
    #expect(try details(refused) == ["limit": "concurrentRequests", "value": 1])
    #expect(refused.rateLimit == #""concurrentRequests";q=1;qu="concurrent-requests" 1 0 1 after 1"#)
    first.send(SIGKILL)
    #expect(try holds { try ask(host).status == 200 }, "its place was never free again")
  }

  @Test func `requests whose runner has crashed make room for others`() throws {
    let host = try Host.withRunners(["--quota-concurrent-requests", "2"]) {
      try $0.addFaulty("org.a")
      try $0.addFaultyModel("slow", "ms=20000")
    }
    let clients = try (0..<2).map { _ in
      try Command([
        "curl", "-s", "-w", " %{http_code}", "--max-time", "20", "--unix-socket", host.socket, "-d", Host.question(),
        "http://host/v2/models/slow/infer",
      ])
    }
    try #require(holds { try host.running("slow") == 2 }, "the slow requests didn't start")
    #expect(try host.ask("slow").status == 429)
    #expect(kill(try host.process(), SIGSEGV) == 0)
    for client in clients { #expect(try client.wait().output.hasSuffix(" 502")) }
    // 404 comes behind the quota: both places are free.
    #expect(try host.ask("nobody").status == 404)
  }
}
