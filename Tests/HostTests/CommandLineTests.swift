import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// The client verbs as people type them.
@Suite(.blocking) struct `The command line` {
  private let host: Host
  private let files = TemporaryFolder()

  init() throws {
    host = try Host { folder in
      try folder.addEcho("vector", "X:f32[-1]")
      try folder.addEcho("pair", "A:f32[-1,2] B:i64[-1]")
      try folder.addEcho("text", "T:utf8[-1]")
      try folder.addEcho("sound", "S:f32[1,-1]", more: #", "inputs": {"S": {"sampleRate": 8000}}"#)
      try folder.addEcho("picture", "P:u8[1,2,2,3]")
      try folder.addEcho("scores", "X:f32[-1]", more: #", "labels": {"X": "labels.txt"}"#)
      try folder.write("models/scores/labels.txt", "cat\ndog\nhen\n")
      try folder.addEcho("failing", "X:f32[-1]", options: ["fail": "out of order"])
      try folder.addEcho("slow", "X:f32[-1]", options: ["sleep_ms": "60000"])
    }
  }

  private func outputs(_ result: Command.Result) throws -> [JSONValue] {
    #expect(result.status == 0, "\(result.errors)")
    return try JSONValue(parsing: result.output)["outputs"]?.array ?? []
  }

  /// The first output's elements.
  private func numbers(_ outputs: [JSONValue]) -> [Double] { outputs.first?["data"]?.array?.compactMap(\.double) ?? [] }

  // MARK: Inputs

  @Test func `JSON on the command line becomes tensors`() throws {
    let answer = try outputs(
      host.stadion("infer", "pair", "--input", "A=[[1,2],[3,0.5]]", "--input", "B=[7]", "--json"))
    #expect(answer.first?["datatype"] == "FP32" && answer.first?["shape"] == [2, 2])
    #expect(numbers(answer) == [1, 2, 3, 0.5])
    #expect(answer.last == ["name": "B", "datatype": "INT64", "shape": [1], "data": [7]])
  }

  @Test func `an npy file goes in and comes out`() throws {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"
    let bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
    let values: [Float] = [1, 2.5, -3]
    let file = try files.write("x.npy", bytes + values.withUnsafeBytes { Array($0) })
    let answer = try outputs(host.stadion("infer", "vector", "--input", file, "--json"))
    #expect(numbers(answer) == [1, 2.5, -3])
    let written = try host.stadion("infer", "vector", "--input", "X=\(file)", "--output", "\(files.path)/out")
    #expect(written.output.contains("X.npy") && written.output.contains("FP32 [3]"), "\(written.output)")
    let data = try #require(FileManager.default.contents(atPath: "\(files.path)/out/X.npy"))
    #expect(data.suffix(12) == values.withUnsafeBytes { Data($0) })
    #expect(try outputs(host.stadion("infer", "vector", "--input", "\(files.path)/out/X.npy", "--json")) == answer)
  }

  @Test func `a text file is one element, or one a line`() throws {
    let file = try files.write("words.txt", "größer\nkleiner\n")
    let whole = try outputs(host.stadion("infer", "text", "--input", file, "--json"))
    #expect(whole.first?["data"] == ["größer\nkleiner\n"])
    let lines = try outputs(host.stadion("infer", "text", "--input", "T=\(file)", "--lines", "--json"))
    #expect(lines.first?["data"] == ["größer", "kleiner"])
    let piped = try outputs(host.stadion("infer", "text", "--input", "-", "--json", input: Array("hello".utf8)))
    #expect(piped.first?["data"] == ["hello"])
  }

  @Test func `a wav file becomes samples at the model's rate`() throws {
    var wav = Array("RIFF".utf8) + [44, 0, 0, 0] + Array("WAVEfmt ".utf8) + [16, 0, 0, 0, 1, 0, 1, 0]
    wav += [0x40, 0x1F, 0, 0, 0x80, 0x3E, 0, 0, 2, 0, 16, 0] + Array("data".utf8) + [8, 0, 0, 0]
    for sample: Int16 in [0, 16384, -32768, 8192] { wav += withUnsafeBytes(of: sample) { Array($0) } }
    let file = try files.write("tone.wav", wav)
    let answer = try outputs(host.stadion("infer", "sound", "--input", file, "--json"))
    #expect(answer.first?["shape"] == [1, 4])
    #expect(numbers(answer) == [0, 0.5, -1, 0.25])
  }

  @Test func `a PNG becomes pixels of the model's size`() throws {
    // 2 x 2, RGB: red and green, blue and white.
    let png = try #require(
      Data(
        base64Encoded: "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEklEQVR4nGP4"
          + "z8DAAMIM/4EAAB/uBfsL2WiLAAAAAElFTkSuQmCC"))
    let file = try files.write("dots.png", png)
    let answer = try outputs(host.stadion("infer", "picture", "--input", file, "--json"))
    #expect(answer.first?["shape"] == [1, 2, 2, 3])
    #expect(answer.first?["data"] == [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255])
  }

  @Test func `labels tell what scores mean`() throws {
    let file = try files.write("x.json", "[0.2, 0.7, 0.1]")
    let plain = try host.stadion("infer", "scores", "--input", file)
    #expect(plain.output == "x.json is dog (70.0 %)\n  cat 20.0 %\n  hen 10.0 %\n")
    #expect(try host.stadion("infer", "scores", "--input", file, "--top", "1").output == "x.json is dog (70.0 %)\n")
    let tensor = try outputs(host.stadion("infer", "scores", "--input", file, "--json"))
    #expect(tensor.first?["datatype"] == "FP32")
  }

  // MARK: Exit codes

  @Test(
    arguments: [
      (["infer", "vector", "--input", "X=[1,2]"], 0, ""),
      (["infer", "nobody", "--input", "[1]"], 1, "unknown model: 'nobody'"),
      (["infer", "vector:7", "--input", "[1]"], 1, "version 7"),
      (["infer", "vector", "--input", "/nowhere.npy"], 1, "no file /nowhere.npy"),
      (["infer", "vector", "--input", "[[1,2]]"], 1, "wants shape [-1]"),
      (["infer", "failing", "--input", "[1]"], 1, "out of order"),
      (["infer", "slow", "--input", "[1]", "--timeout-ms", "50"], 1, "deadline"),
      (["infer", "vector", "--input", "[1]", "--device", "npu"], 1, "npu"),
      (["infer", "vector"], 2, "input X"), (["infer"], 2, "MODEL"),
      (["infer", "pair", "--input", "C=[1]"], 2, "\"C\""),
      (["infer", "vector", "--inptu", "[1]"], 2, "--input"), (["modl", "list"], 2, "did you mean model?"),
      (["model"], 2, "list"), (["model", "shwo", "x"], 2, "model takes"), (["model", "show", "nobody"], 1, "nobody"),
      (["model", "list", "--url", "http://127.0.0.1:1"], 2, "exclude"),
    ] as [([String], Int32, String)])
  func `exit codes tell failure from a wrong question`(words: [String], status: Int32, message: String) throws {
    let result = try Command.run([Setup.stadion] + words + ["--socket", host.socket])
    #expect(result.status == status, "\(result.output)\(result.errors)")
    #expect(message.isEmpty || result.errors.contains(message), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == (status == 0 ? 0 : 1), "\(result.errors)")
  }

  @Test func `without a host a verb says what to do`() throws {
    let result = try Command.run([Setup.stadion, "model", "list", "--socket", "\(files.path)/none"])
    #expect(result.status == 1)
    #expect(result.errors.contains("stadion serve"), "\(result.errors)")
    let named = try Command.run(
      [Setup.stadion, "model", "list"], environment: ["STADION_SOCKET": host.socket])
    #expect(named.status == 0, "\(named.errors)")
  }

  @Test(arguments: [
    "serve", "infer", "runner list", "runner show", "model list", "model show", "model load", "model unload", "model",
    "runner", "",
  ]) func `help comes from every verb`(verb: String) throws {
    let result = try Command.run([Setup.stadion] + verb.split(separator: " ").map(String.init) + ["--help"])
    #expect(result.status == 0 && result.errors.isEmpty)
    #expect(result.output.contains("stadion \(verb)"), "\(result.output)")
  }

  // MARK: Models

  @Test func `models are listed, shown, unloaded and loaded`() throws {
    let list = try host.stadion("model", "list")
    #expect(list.output.contains("vector") && list.output.contains("READY"), "\(list.output)")
    let models = try JSONValue(parsing: host.stadion("model", "list", "--json").output)["models"]?.array ?? []
    #expect(models.count == 8)
    let shown = try host.stadion("model", "show", "pair")
    for words in ["org.stadion.echo", "INT64", "[-1, 2]", "cpu"] {
      #expect(shown.output.contains(words), "\(shown.output)")
    }
    #expect(try host.stadion("model", "unload", "pair").output == "pair is unloaded\n")
    #expect(try host.stadion("model", "show", "pair").output.contains("unloaded"))
    #expect(try host.stadion("infer", "pair", "--input", "A=[[1,2]]", "--input", "B=[1]").status == 1)
    #expect(try host.stadion("model", "load", "pair").output == "pair serves\n")
    #expect(try host.stadion("infer", "pair", "--input", "A=[[1,2]]", "--input", "B=[1]").status == 0)
    let failed = try host.stadion("model", "load", "nobody")
    #expect(failed.status == 1 && failed.errors.contains("failed to load 'nobody'"), "\(failed.errors)")
  }
}
