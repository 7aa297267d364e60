import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// What authors of runners get from `stadion runner new`: it builds and serves far from this repository.
@Suite(.blocking) struct `Writing a new runner` {
  private static let languages = ["c", "cpp", "swift"]

  /// Of builds on a busy machine; Swift compiles RunnerKit, optimised.
  private static let buildLimit = Duration.seconds(240)

  /// `bash -c SCRIPT` in a folder, with this host on PATH and the folder as home.
  private func shell(_ script: String, in folder: TemporaryFolder) throws -> Command.Result {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let host = (Setup.stadion as NSString).deletingLastPathComponent
    let setting = "export PATH='\(host)':'\(path)'; cd '\(folder.path)'\n"
    return try Command.run(
      ["bash", "-euo", "pipefail", "-c", setting + script], environment: ["HOME": folder.path], limit: Self.buildLimit)
  }

  private func new(_ words: String..., in folder: TemporaryFolder) throws -> Command.Result {
    try Command.run([Setup.stadion, "runner", "new"] + words + ["--folder", "\(folder.path)/new"])
  }

  @Test(arguments: languages)
  func `builds, passes its own test and serves`(language: String) throws {
    let folder = TemporaryFolder()
    let written = try new("twice-2", "--language", language, "--id", "com.example.twice", in: folder)
    #expect(written.status == 0, "\(written.errors)")
    let built = try shell("make -C new && make -C new test", in: folder)
    #expect(built.status == 0, "\(built.output)\(built.errors)")
    #expect(!built.errors.contains("warning"), "\(built.errors)")
    #expect(built.output.contains("checks of com.example.twice"), "\(built.output)")
    let checked = try shell("make -C new check", in: folder)
    #expect(checked.status == 0 && checked.output.contains("over 1000 loads"), "\(checked.output)\(checked.errors)")
    #expect(!checked.output.contains("contract:"), "a finding: \(checked.output)")

    let host = try Host(manifests: "\(folder.path)/new", folder: folder) {
      try $0.write("models/half/1/model.twice-2", "0.5\n")
      try $0.write("models/broken/1/model.twice-2", "many\n")
    }
    let outputs = try host.infer("half", floats("x", [3], [1, -4, 0]))
    #expect(outputs == [floats("y", [3], [0.5, -2, 0])])
    #expect(try host.infer("half", floats("x", [0], [])) == [floats("y", [0], [])])
    let large = [Float](repeating: 2, count: 200_000)
    #expect(try host.infer("half", floats("x", [200_000], large)) == [floats("y", [200_000], large.map { $0 / 2 })])
    #expect(try host.index().first?.contains("holds no number") == true, "\(host.state)")

    // A new build over the old one while clients ask.
    let source = ["c": "runner.c", "cpp": "runner.cpp", "swift": "Sources/Plugin/Plugin.swift"][language] ?? ""
    let text = try String(contentsOfFile: "\(folder.path)/new/\(source)", encoding: .utf8)
    #expect(text.contains(#""0.1.0""#))
    let clients = SteadyClients(
      host, "half", body: #"{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}"#, count: 2)
    #expect(clients.answersMore())
    try folder.write("new/\(source)", text.replacingOccurrences(of: #""0.1.0""#, with: #""0.1.1""#))
    let again = try shell("make -C new", in: folder)
    #expect(again.status == 0, "\(again.errors)")
    #expect(try holds { try host.runner("com.example.twice")?["version"] == "0.1.1" }, "\(host.state)")
    #expect(clients.answersMore())
    #expect(clients.stop() == [:])
  }

  @Test(arguments: languages)
  func `exports one symbol`(language: String) throws {
    let folder = TemporaryFolder()
    #expect(try new("plain", "--language", language, in: folder).status == 0)
    let symbols = try shell("make -sC new >&2 && nm -D --defined-only --extern-only new/libplain.so", in: folder)
    #expect(symbols.status == 0, "\(symbols.errors)")
    let names = symbols.output.split(separator: "\n").compactMap { $0.split(separator: " ").last }
    #expect(names == ["stadion_plugin_entry"])
  }

  @Test(arguments: [
    ("org.example.faulty", "org.example.other", "plugin->id"), (#""y", .shape"#, #""z", .shape"#, "y->name"),
    ("x[i] * model->factor", "x[i] + model->factor", "got.values[0] == 2"),
    ("buffer->release(buffer);", ";", "live_buffers == 0"),
  ])
  func `its own test finds a mistake`(right: String, wrong: String, words: String) throws {
    let folder = TemporaryFolder()
    #expect(try new("faulty", in: folder).status == 0)
    let source = "\(folder.path)/new/runner.c"
    let text = try String(contentsOfFile: source, encoding: .utf8)
    #expect(text.contains(right))
    try folder.write("new/runner.c", text.replacingOccurrences(of: right, with: wrong))
    let result = try shell("make -C new test", in: folder)
    #expect(result.status != 0 && result.errors.contains(words), "\(result.output)\(result.errors)")
  }

  @Test(arguments: [
    ("buffer->release(buffer);", ";", "BUFFER-LOST"), ("if (!buffer)", "if (0)", "ALLOC-CODE"),
  ])
  func `the kit finds a mistake`(right: String, wrong: String, words: String) throws {
    let folder = TemporaryFolder()
    #expect(try new("faulty", in: folder).status == 0)
    let source = "\(folder.path)/new/runner.c"
    let text = try String(contentsOfFile: source, encoding: .utf8)
    #expect(text.contains(right))
    try folder.write("new/runner.c", text.replacingOccurrences(of: right, with: wrong))
    let result = try shell("make -C new check", in: folder)
    #expect(result.status != 0 && result.output.contains(words), "\(result.output)\(result.errors)")
    for part in ["\n  contract: ", "(stadion_runner.h, section ", "\n  seen:     ", "\n  mend:     "] {
      #expect(result.output.contains(part), "\(part): \(result.output)")
    }
  }

  @Test func `goes without the kit where there is no host`() throws {
    let folder = TemporaryFolder()
    #expect(try new("alone", in: folder).status == 0)
    let result = try shell("make -C new check STADION=stadion-that-is-not-there", in: folder)
    #expect(result.status == 0 && result.output.contains("check: skipped"), "\(result.output)\(result.errors)")
  }

  @Test(
    arguments: [
      (["Upper"], "NAME is \"Upper\""), (["9lives"], "wants a letter"), (["-x"], "unknown option"),
      ([""], "NAME is \"\""),
      (["a_b"], "a-z 0-9 and -"), (["tail-"], "wants a letter"), (["../up"], "NAME"), (["onnx"], "my-onnx"),
      (["json"], "my-json"), ([String(repeating: "a", count: 33)], "31"), (["x", "--id", "word"], "reverse domain"),
      (["x", "--id", "org..x"], "reverse domain"), (["x", "--id", "org.\"x"], "reverse domain"),
      (["x", "--language", "rust"], "c, cpp or swift"), ([], "NAME is missing"),
    ] as [([String], String)])
  func `refuses wrong words and writes nothing`(words: [String], message: String) throws {
    let folder = TemporaryFolder()
    let result = try Command.run([Setup.stadion, "runner", "new"] + words + ["--folder", "\(folder.path)/new"])
    #expect(result.status == 2 && result.errors.contains(message), "\(result.errors)")
    #expect(!Setup.isThere("\(folder.path)/new"))
  }

  @Test func `never writes into a folder that is there`() throws {
    let folder = TemporaryFolder()
    folder.makeFolder("new")
    let result = try new("mine", in: folder)
    #expect(result.status == 1 && result.errors.contains("it is there already"), "\(result.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/new").isEmpty)
  }

  @Test func `a host without header and templates says where it looked`() throws {
    let folder = TemporaryFolder()
    // Copied by a process of its own: a copy made here could still be open for writing in a child that another test has
    // just started, and could then not be run.
    #expect(try shell("mkdir bin && cp '\(Setup.stadion)' bin/stadion", in: folder).status == 0)
    let alone = try shell("bin/stadion runner new mine", in: folder)
    #expect(alone.status == 1, "\(alone.output)")
    #expect(alone.errors.contains("\(folder.path)/share/stadion"), "\(alone.errors)")
    #expect(!Setup.isThere("\(folder.path)/mine"))
    // Installed as a packager would.
    for part in ["Templates/runner", "Sources/CStadionRunner", "Sources/RunnerKit"] {
      try folder.copy("\(Setup.root)/\(part)", to: "share/stadion/\(part)")
    }
    let installed = try shell("bin/stadion runner new mine && make -C mine test", in: folder)
    #expect(installed.status == 0, "\(installed.output)\(installed.errors)")
  }

  /// The document as one script: the host is started in the background, and ends with the script.
  private static func script(language: String) throws -> String {
    let text = try String(contentsOfFile: "\(Setup.root)/docs/writing-a-runner.md", encoding: .utf8)
    let blocks = text.components(separatedBy: "```sh\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    let lines = blocks.joined().split(separator: "\n").map { line in
      guard line.hasPrefix("stadion serve") else {
        return line.replacingOccurrences(of: "--language c", with: "--language \(language)")
      }
      return """
        \(line) 2>> host.log & trap "kill $!" EXIT
        until stadion infer double --input x=[1] --socket stadion.sock &> wait.log; do sleep 0.05; done
        """
    }
    return lines.joined(separator: "\n")
  }

  @Test(arguments: languages)
  func `every command of the document works, in order`(language: String) throws {
    let folder = TemporaryFolder()
    let script = try Self.script(language: language)
    #expect(script.contains("trap") && script.contains("stadion runner new double --language \(language)\n"))
    let result = try shell(script, in: folder)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    for words in ["checks of org.example.double", "ready", "2.0, -5.0, 0.0", "3.0, 6.0, 9.0"] {
      #expect(result.output.contains(words), "\(words): \(result.output)")
    }
    // What the last step installed is found without --manifests.
    let host = try Host(manifests: nil, environment: ["HOME": folder.path]) {
      try $0.write("models/negative/1/model.double", "-1\n")
    }
    #expect(try host.infer("negative", floats("x", [2], [1, 2])) == [floats("y", [2], [-1, -2])])
  }
}
