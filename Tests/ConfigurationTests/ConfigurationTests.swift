import Foundation
import Testing
import Wire

@testable import Configuration

@Suite struct `A configuration` {
  struct Settings: Sendable {
    var name: String?
    var level = "info"
    var isOpen = true
    var count: Int?
    var paths: [String]?
    var bodyBytes = 100
    var waitMs = 5
    var share = 0.5
  }

  static let keys: [Key<Settings>] = [
    .text("name", "NAME", \.name, standard: "the machine's", "Name."),
    .word("log.level", ["info", "error"], \.level, reloads: true, "Level."),
    .bool("isOpen", \.isOpen, reloads: true, "Open.", off: "Closed."),
    .optionalInteger("serving.loops", 1...8, \.count, standard: "one per core", "Loops."),
    .list("paths", "PATH[:PATH]", separator: ":", \.paths, standard: "none", "Paths."),
    .integer("serving.maxBodyBytes", 1...1000, \.bodyBytes, reloads: true, "Body."),
    .integer("serving.waitMs", 0...9, \.waitMs, flag: "--patience-ms", "Wait."),
    .number("share", 0...1, \.share, "Share."),
  ]

  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("stadion-config-\(UUID())")

  /// - Parameter file: Its text; nil for none.
  private func read(
    _ file: String? = nil, _ environment: [String: String] = [:], _ flags: [String: [String]] = [:]
  ) throws -> Configuration<Settings> {
    var places = Configuration<Settings>.Places()
    if let file {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let path = folder.appendingPathComponent("c.json").path
      try Data(file.utf8).write(to: URL(fileURLWithPath: path))
      places.file = path
    }
    defer { try? FileManager.default.removeItem(at: folder) }
    places.environment = environment
    places.otherVariables = ["STADION_NAMES"]
    places.flags = flags
    return try Configuration(Self.keys, standard: Settings(), from: places)
  }

  private func problems(
    _ file: String? = nil, _ environment: [String: String] = [:], _ flags: [String: [String]] = [:]
  ) -> [String] {
    do {
      _ = try read(file, environment, flags)
      return []
    } catch {
      let problems = (error as? ConfigurationError)?.problems ?? ["\(error)"]
      return problems.map { $0.replacingOccurrences(of: "\(folder.path)/", with: "") }
    }
  }

  @Test func `names of flags and variables follow from the key`() {
    let key = Self.keys[5]
    #expect(key.flag == "--max-body-bytes" && key.variable == "STADION_SERVING_MAX_BODY_BYTES" && key.unit == "bytes")
    #expect(Self.keys[2].negativeFlag == "--no-is-open")
    #expect(Self.keys[6].flag == "--patience-ms" && Self.keys[6].variable == "STADION_SERVING_WAIT_MS")
  }

  @Test func `a flag wins over a variable, that over the file, and the file over the default`() throws {
    let file = #"{"serving": {"maxBodyBytes": 10, "waitMs": 1}, "name": "f"}"#
    let variables = ["STADION_SERVING_MAX_BODY_BYTES": "20", "STADION_NAME": "v"]
    let all = try read(file, variables, ["--max-body-bytes": ["30"]])
    #expect(all.settings.bodyBytes == 30 && all.origin(of: "serving.maxBodyBytes").description == "--max-body-bytes")
    #expect(all.settings.name == "v" && all.origin(of: "name").description == "$STADION_NAME")
    #expect(all.settings.waitMs == 1 && all.origin(of: "serving.waitMs").description.hasSuffix("c.json:1"))
    #expect(all.settings.level == "info" && all.origin(of: "log.level") == .standard)
  }

  @Test func `every kind of value can be had from the file, variables and flags`() throws {
    let file = try read(
      #"{"name": "n", "log": {"level": "error"}, "isOpen": false, "paths": ["a", "b:c"], "serving": {"loops": 2}}"#)
    #expect(file.settings.paths == ["a", "b:c"] && !file.settings.isOpen && file.settings.level == "error")
    #expect(file.settings.count == 2 && file.settings.name == "n")
    let variables = try read(nil, ["STADION_PATHS": "a:b", "STADION_IS_OPEN": "0", "STADION_SERVING_LOOPS": "3"])
    #expect(variables.settings.paths == ["a", "b"] && !variables.settings.isOpen && variables.settings.count == 3)
    let flags = try read(nil, [:], ["--paths": ["a:b", "c"], "--is-open": ["false"], "--loops": ["4"]])
    #expect(flags.settings.paths == ["a", "b", "c"] && !flags.settings.isOpen && flags.settings.count == 4)
  }

  @Test func `null and an empty variable are as if they weren't there`() throws {
    let configuration = try read(#"{"serving": {"maxBodyBytes": null}, "log": null}"#, ["STADION_NAME": ""])
    #expect(configuration.settings.bodyBytes == 100 && configuration.settings.name == nil)
    #expect(configuration.origin(of: "serving.maxBodyBytes") == .standard)
  }

  @Test(
    arguments: [
      (
        #"{"serving": {"maxBodyBytes": 0}}"#, "c.json:1: serving.maxBodyBytes is 0, an integer from 1 to 1000 is wanted"
      ),
      ("{\n\"serving\": {\n\"maxBodyBytes\": \"9\"}}", "c.json:3: serving.maxBodyBytes is \"9\", an integer from 1 to"),
      (#"{"serving": {"maxBodyBytes": 1.5}}"#, "serving.maxBodyBytes is 1.5, an integer"),
      (#"{"serving": {"maxBodyBytes": 1e99}}"#, "serving.maxBodyBytes is 1e99, an integer"),
      (
        #"{"serving": {"maxBodybytes": 9}}"#,
        "serving.maxBodybytes is not a known key; is \"serving.maxBodyBytes\" meant?"
      ),
      (#"{"maxBodyBytes": 9}"#, "maxBodyBytes is not a known key; is \"serving.maxBodyBytes\" meant?"),
      (#"{"zebra": 9}"#, "zebra is not a known key; see docs/configuration.md"),
      (#"{"serving": 3}"#, "serving is a number, an object is wanted"),
      (#"{"name": {"a": 1}}"#, "name is {\"a\":1}, a string is wanted"), (#"{"name": ""}"#, "name is \"\", a string"),
      (#"{"log": {"level": "eror"}}"#, "one of \"info\", \"error\" is wanted; is \"error\" meant?"),
      (#"{"paths": ["a", 3]}"#, "paths is [\"a\",3], an array of strings is wanted"),
      (#"{"isOpen": "true"}"#, "isOpen is \"true\", true or false is wanted"),
      ("[]", "c.json is an array, not an object"), ("{\n\"name\": \"a\",\n}", "c.json:3: "), ("", "c.json:1: "),
      (#"{"name": "a", "name": "b"}"#, "\"name\" appears twice"),
    ] as [(String, String)])
  func `what is wrong in the file is named with file, line, key and value`(file: String, words: String) {
    let problems = problems(file)
    #expect(problems.count == 1 && problems[0].contains(words), "\(problems)")
  }

  @Test func `everything wrong is told at once`() {
    let problems = problems(
      #"{"nme": 1, "isOpen": 3}"#, ["STADION_SERVING_LOOPS": "many"], ["--max-body-bytes": ["-1"]])
    #expect(
      problems == [
        "c.json:1: nme is not a known key; is \"name\" meant?", "c.json:1: isOpen is 3, true or false is wanted",
        "$STADION_SERVING_LOOPS is \"many\", an integer from 1 to 8 is wanted",
        "--max-body-bytes is -1, an integer from 1 to 1000 is wanted",
      ])
  }

  @Test func `a long value is cut in the message`() {
    #expect(problems("{\"isOpen\": \"\(String(repeating: "x", count: 5000))\"}")[0].utf8.count < 200)
  }

  @Test func `a missing file, a folder and a file too large are refused`() throws {
    var places = Configuration<Settings>.Places()
    for (path, words) in [("/nowhere/c.json", "No such file"), ("/tmp", "not a regular file")] {
      places.file = path
      let error = #expect(throws: ConfigurationError.self) {
        try Configuration(Self.keys, standard: Settings(), from: places)
      }
      #expect(error?.problems.count == 1 && error?.problems[0].contains(words) == true, "\(String(describing: error))")
    }
    #expect(problems("\"" + String(repeating: " ", count: 1 << 20))[0].contains("more than the 1048576 allowed"))
  }

  @Test func `a variable that is nearly one is remarked, others are left alone`() throws {
    let configuration = try read(
      nil, ["STADION_SERVING_LOPS": "1", "STADION_SERVICE_HOST": "10.0.0.1", "STADION_NAMES": "1", "NAME": "x"])
    #expect(configuration.remarks == ["$STADION_SERVING_LOPS is not read; is $STADION_SERVING_LOOPS meant?"])
    #expect(configuration.settings.count == nil)
  }

  @Test func `numbers have a range, and are no words`() throws {
    #expect(try read(#"{"share": 0.25}"#).settings.share == 0.25)
    #expect(try read(nil, ["STADION_SHARE": "1"]).settings.share == 1)
    for text in ["nan", "inf", "1.5", "half", "-0.1"] {
      let problems = problems(nil, [:], ["--share": [text]])
      #expect(problems.count == 1 && problems[0].contains("a number from 0.0 to 1.0 is wanted"), "\(text): \(problems)")
    }
  }

  @Test func `keys with one name, or a default out of range, are mistakes of ours`() {
    #expect(Configuration<Settings>.mistakes(in: Self.keys, Settings()) == [])
    let more: [Key<Settings>] = [
      .integer("other.maxBodyBytes", 0...9, \.waitMs, ""), .integer("serving", 6...9, \.waitMs, flag: "--new", ""),
      .bool("open", \.isOpen, flag: "--is-open", ""),
    ]
    #expect(
      Configuration<Settings>.mistakes(in: Self.keys + more, Settings()) == [
        "other.maxBodyBytes: --max-body-bytes is taken", "serving: its default is 5, an integer from 6 to 9 is wanted",
        "open: --is-open is taken", "open: --no-is-open is taken", "serving: is a group",
      ])
  }

  // MARK: Again

  @Test func `reading again changes what can change, and tells the rest`() throws {
    var running = try read(#"{"serving": {"maxBodyBytes": 10, "waitMs": 1}}"#)
    let next = try read(#"{"serving": {"maxBodyBytes": 20, "waitMs": 2}, "isOpen": true}"#)
    let (made, waiting) = running.adopt(next)
    #expect(made == [.init(key: "serving.maxBodyBytes", old: "10", new: "20")])
    #expect(waiting == [.init(key: "serving.waitMs", old: "1", new: "2")])
    #expect(running.settings.bodyBytes == 20 && running.settings.waitMs == 1)
    #expect(running.origin(of: "isOpen") != .standard)
    // A key that is gone from the file has its default again.
    let last = running.adopt(try read(nil))
    #expect(last.made == [.init(key: "serving.maxBodyBytes", old: "20", new: "100")])
    #expect(last.waiting == [.init(key: "serving.waitMs", old: "1", new: "5")])
    #expect(running.origin(of: "serving.maxBodyBytes") == .standard)
  }

  // MARK: Reports

  @Test func `values are shown with their unit and origin`() throws {
    let rows = try read(nil, ["STADION_NAME": "v"]).rows
    #expect(rows[0].path == "name" && rows[0].value == "\"v\"" && rows[0].origin == "$STADION_NAME")
    #expect(rows[3].value == "(one per core)" && rows[3].origin == "default")
    #expect(rows[5].value == "100 bytes")
  }

  @Test func `the reference has a table per group and a line per key`() {
    let text = Configuration<Settings>.reference(Self.keys, standard: Settings())
    #expect(text.contains("## The host\n") && text.contains("## `log`\n") && text.contains("## `serving`\n"))
    #expect(
      text.contains(
        "| `serving.waitMs` | `--patience-ms` | an integer from 0 to 9, ms | `5` | – | Wait. |\n"))
    #expect(text.contains("| `isOpen` | `--no-is-open` | true or false | `true` | changes | Open. |\n"))
  }
}
