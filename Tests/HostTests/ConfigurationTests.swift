import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// `stadion serve` and its configuration: file, variables, flags, SIGHUP.
@Suite(.blocking) struct `The configuration of a host` {
  private let files = TemporaryFolder()

  private func serve(_ words: String..., environment: [String: String] = [:]) throws -> Command.Result {
    try Command.run([Setup.stadion, "serve"] + words, environment: environment)
  }

  @Test func `what is in force is printed with where it comes from`() throws {
    let file = try files.write("c.json", "{\n  \"logLevel\": \"error\",\n  \"serving\": {\"loops\": 3}\n}\n")
    let result = try serve(
      "--config", file, "--max-body-bytes", "77", "--no-watch", "--print-config",
      environment: ["STADION_SERVING_LOOPS": "2", "STADION_MANIFESTS": "/a:/b"])
    #expect(result.status == 0 && result.errors.isEmpty)
    let rows = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(rows.contains(["logLevel", "\"error\"", "\(file):2"]), "\(result.output)")
    #expect(rows.contains(["serving.loops", "2", "$STADION_SERVING_LOOPS"]))
    #expect(rows.contains(["serving.maxBodyBytes", "77", "bytes", "--max-body-bytes"]))
    #expect(rows.contains(["serving.maxHeaderFields", "200", "default"]))
    #expect(rows.contains(["watch", "false", "--watch"]))
    let json = try JSONValue(parsing: serve("--print-config", "--json", environment: ["STADION_CONFIG": file]).output)
    #expect(json["serving.loops"] == ["value": 3, "from": .string("\(file):3")])
  }

  @Test func `what is wrong is told with file, line, key and value, and nothing starts`() throws {
    let file = try files.write("c.json", "{\"serving\": {\n\"maxBodybytes\": 1,\n\"loops\": 1000}}")
    let result = try serve("--config", file, "--max-header-fields", "1")
    #expect(result.status == 2)
    #expect(
      result.errors == """
        stadion: \(file):2: serving.maxBodybytes is not a known key; is "serving.maxBodyBytes" meant?
        stadion: \(file):3: serving.loops is 1000, an integer from 1 to 256 is wanted
        stadion: --max-header-fields is 1, an integer from 8 to 10000 is wanted

        """)
    #expect(try serve("--config", "/nowhere.json").errors.contains("/nowhere.json can't be opened"))
    #expect(try serve("--watch", "--no-watch", "--print-config").status == 2)
    #expect(try serve("--json").status == 2)
  }

  // MARK: All keys

  /// Each key with a value that isn't its default, as docs/configuration.md describes it, and whether SIGHUP changes it.
  private func allKeys() throws -> [(path: String, value: JSONValue, changes: Bool)] {
    let now = try JSONValue(parsing: serve("--print-config", "--json").output)
    let page = try String(contentsOfFile: "\(Setup.root)/docs/configuration.md", encoding: .utf8)
    return try page.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { line in
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      let path = cells[0].trimmingCharacters(in: ["`"])
      let standard = try #require(now[path]?["value"], "\(path) isn't printed")
      return (path, try other(than: standard, cells[2]), cells[4] == "changes")
    }
  }

  private func other(than standard: JSONValue, _ kind: String) throws -> JSONValue {
    if kind == "true or false" { return .bool(standard != true) }
    if kind == "a string" { return "other" }
    if kind == "an array of strings" { return ["other"] }
    if kind.hasPrefix("one of") {
      let words = kind.split(separator: "\"").enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
      return .string(try #require(words.first { $0 != standard.string }))
    }
    let least = try #require(kind.split(separator: " ").first { $0.first?.isNumber == true }, "\(kind)")
    if kind.hasPrefix("a number") { return .number(least == "0.0" ? "0.5" : String(least)) }
    let number = try #require(Int(least.filter(\.isNumber)))
    return .integer(standard.int == number ? number + 1 : number)
  }

  @Test func `each key is changed by SIGHUP, or named as needing a restart`() throws {
    let file = try write("{}")
    let host = try Host(["--config", file])
    let keys = try allKeys()
    #expect(keys.count > 50 && keys.filter(\.changes).count > 20)
    // What flags say stays.
    let flags = ["socket", "models.folder", "manifests"]
    var groups: [String: [JSONValue.Member]] = [:]
    for key in keys {
      let parts = key.path.split(separator: ".").map(String.init)
      groups[parts.count > 1 ? parts[0] : "", default: []].append(.init(parts.last ?? "", key.value))
    }
    let top = groups.removeValue(forKey: "") ?? []
    _ = try write(JSONValue.object(top + groups.map { .init($0.key, .object($0.value)) }).text)
    host.command.send(SIGHUP)
    try #require(holds { try !host.log("needs a restart").isEmpty }, "\(host.command.errors)")
    let waiting = keys.filter { !$0.changes && !flags.contains($0.path) }.map(\.path)
    #expect(try holds { try host.log("needs a restart").count == waiting.count })
    #expect(try Set(host.log("needs a restart").compactMap { $0["key"]?.string }) == Set(waiting))
    // Told, unless the log's level is above that now.
    let level = try #require(keys.first { $0.path == "logLevel" }?.value.string)
    #expect(level == "debug")
    let changed = keys.filter { $0.changes }.map(\.path)
    #expect(try holds { try host.log("changed").count == changed.count })
    #expect(try Set(host.log("changed").compactMap { $0["key"]?.string }) == Set(changed))
  }

  @Test func `each key can be set by its variable, which wins over the file`() throws {
    let keys = try allKeys()
    var environment: [String: String] = [:]
    for key in keys {
      let variable =
        "STADION_" + key.path.replacing(#/[A-Z]/#) { "_\($0.output)" }.replacing(".", with: "_").uppercased()
      environment[variable] = key.value.array?.first?.string ?? key.value.string ?? key.value.text
    }
    let file = try write("{\"logLevel\": \"error\"}")
    let result = try serve("--config", file, "--print-config", "--json", environment: environment)
    let values = try JSONValue(parsing: result.output)
    for key in keys {
      #expect(values[key.path]?["value"] == key.value, "\(key.path)")
      #expect(values[key.path]?["from"]?.string?.hasPrefix("$STADION_") == true, "\(key.path)")
    }
  }

  // MARK: SIGHUP

  private func write(_ text: String) throws -> String { try files.write("live.json", text) }

  private func reload(_ host: Host, until message: String) throws -> JSONValue? {
    let before = try host.log(message).count
    host.command.send(SIGHUP)
    guard try holds({ try host.log(message).count > before }) else { return nil }
    return try host.log(message).last
  }

  private static let again = "read the configuration again"

  @Test func `SIGHUP changes limits and the log level in a running host`() throws {
    let file = try write(#"{"serving": {"maxBodyBytes": 1000}}"#)
    let host = try Host(["--config", file]) { try $0.addEcho("echo", "X:f32[-1]") }
    let long = String(repeating: " ", count: 1500)
    #expect(try host.send("POST", "/v2/repository/index", long).status == 413)
    #expect(try host.infer("echo", floats("X", [2], [1, 2])).first?.shape == [2])
    _ = try write(#"{"serving": {"maxBodyBytes": 2000, "maxOutputBytes": 7}, "logLevel": "debug"}"#)
    #expect(try reload(host, until: Self.again)?["changes"] == "3", "\(host.command.errors)")
    let keys = ["logLevel", "serving.maxBodyBytes", "serving.maxOutputBytes"]
    #expect(try host.log("changed").map { $0["key"]?.string } == keys)
    #expect(throws: HostError.self) { try host.infer("echo", floats("X", [2], [1, 2])) }
    #expect(try host.infer("echo", floats("X", [1], [1])).first?.shape == [1])
    #expect(try host.send("POST", "/v2/repository/index", long).status != 413)
    #expect(try holds { try !host.log("request").isEmpty })
  }

  @Test func `what SIGHUP changes stands in the audit, with who sent it`() throws {
    let file = try write("{}")
    let host = try Host(["--config", file, "--data", "\(files.path)/data"])
    _ = try write(#"{"quota": {"requestsPerSecond": 7}, "serving": {"loops": 3}}"#)
    _ = try reload(host, until: Self.again)
    var entries: [JSONValue] = []
    let isThere = try holds {
      entries = try host.json("GET", "/v1/audit?action=configuration.set")["entries"]?.array ?? []
      return !entries.isEmpty
    }
    #expect(isThere && entries.map { $0["subject"] } == ["quota.requestsPerSecond 7, before 0"])
    #expect(entries.first?["caller"]?.string == "uid:\(getuid())")
    #expect(entries.first?["origin"]?.string == "SIGHUP pid=\(getpid())")
  }

  @Test func `a flag stays above the file that is read again`() throws {
    let file = try write("{}")
    let host = try Host(["--config", file, "--max-body-bytes", "100"])
    _ = try write(#"{"serving": {"maxBodyBytes": 200}}"#)
    #expect(try reload(host, until: Self.again)?["changes"] == "0", "\(host.command.errors)")
    #expect(try host.send("POST", "/v2/repository/index", String(repeating: " ", count: 150)).status == 413)
  }

  @Test func `what can't change is said to need a restart`() throws {
    let file = try write("{}")
    let host = try Host(["--config", file])
    _ = try write(#"{"serving": {"loops": 7, "maxHeaderFields": 9}}"#)
    _ = try reload(host, until: Self.again)
    let lines = try host.log("needs a restart")
    #expect(lines.map { $0["key"]?.string } == ["serving.loops", "serving.maxHeaderFields"])
    #expect(lines.last?["is"] == "200" && lines.last?["wanted"] == "9")
  }

  @Test(arguments: [#"{"serving": {"maxBodyBytes": 200}"#, #"{"serving": {"maxBodyBytes": 0}}"#, ""])
  func `a broken file leaves everything as it was`(text: String) throws {
    let file = try write(#"{"serving": {"maxBodyBytes": 100}}"#)
    let host = try Host(["--config", file])
    _ = try write(text)
    let line = try reload(host, until: "the configuration is as it was")
    #expect(line?["reason"]?.string?.hasPrefix("\(file):") == true, "\(host.command.errors)")
    #expect(try host.send("POST", "/v2/repository/index", String(repeating: " ", count: 150)).status == 413)
    try files.remove("live.json")
    let gone = try reload(host, until: "the configuration is as it was")
    #expect(gone?["reason"]?.string?.contains("can't be opened") == true)
    #expect(try host.client.isReady())
  }

  @Test func `requests under way see nothing of it`() throws {
    let file = try write("{}")
    let host = try Host(["--config", file]) { try $0.addEcho("echo", "X:f32[-1]") }
    for round in 0..<50 {
      _ = try write("{\"serving\": {\"maxBodyBytes\": \(100_000 + round)}}")
      host.command.send(SIGHUP)
      let answer = try host.infer("echo", floats("X", [2], [1, Float(round)]))
      #expect(answer.first?.shape == [2])
    }
    #expect(try holds { try !host.log(Self.again).isEmpty })
    #expect(try host.client.isReady())
  }

  @Test func `SIGHUP while it drains doesn't cut requests off, and SIGTERM still ends it`() throws {
    let file = try write("{}")
    let host = try Host(["--config", file]) {
      try $0.addEcho("slow", "X:f32[-1]", options: ["sleep_ms": "1000"])
    }
    let slow = try Command([
      "curl", "-s", "-w", "%{http_code}", "--unix-socket", host.socket, "-d",
      #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#, "http://h/v2/models/slow/infer",
    ])
    try #require(holds { try host.running("slow") == 1 })
    host.command.send(SIGTERM)
    #expect(try holds { try !host.log("draining").isEmpty })
    host.command.send(SIGHUP)
    #expect(try slow.wait().output.hasSuffix("200"))
    #expect(try host.command.wait().status == 0)
  }
}
