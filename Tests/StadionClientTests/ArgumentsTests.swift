import StadionClient
import Testing

@Suite struct `Reading a command line` {
  private let spec = CommandSpec(
    "stadion infer", "Run.", operands: ["MODEL"],
    options: [
      .init("--input", value: "FILE", isRepeated: true, help: "An input."),
      .init("--socket", value: "PATH", help: "A socket."), .init("--top", value: "N", help: "A number."),
      .init("--json", help: "JSON."),
    ])

  private func problem(_ words: String...) -> String? {
    do {
      _ = try Arguments(words, for: spec)
      return nil
    } catch { return error.description }
  }

  @Test func `takes values behind a space or an equals sign`() throws {
    let arguments = try Arguments(["--input", "a=b", "m", "--input=c=d", "--json", "--socket", "-"], for: spec)
    #expect(arguments.operands == ["m"])
    #expect(arguments.values("--input") == ["a=b", "c=d"])
    #expect(arguments.value("--socket") == "-")
    #expect(arguments.has("--json"))
    #expect(!arguments.has("--top"))
  }

  @Test func `two dashes end the options`() throws {
    #expect(try Arguments(["--", "--json"], for: spec).operands == ["--json"])
  }

  @Test func `help needs nothing else`() throws {
    #expect(try Arguments(["--wrong", "--help"], for: spec).has("--help"))
    #expect(spec.help.contains("usage: stadion infer MODEL [options]"))
    #expect(spec.help.contains("  --socket PATH  A socket."))
  }

  @Test func `suggests the nearest option`() {
    #expect(problem("m", "--sockt", "x") == "unknown option --sockt; did you mean --socket?")
    #expect(problem("m", "--whatever") == "unknown option --whatever; see `stadion infer --help`")
  }

  @Test func `says what is missing or too much`() {
    #expect(problem() == "MODEL is missing; see `stadion infer --help`")
    #expect(problem("m", "n") == "\"n\" is one too many; see `stadion infer --help`")
    #expect(problem("m", "--socket") == "--socket wants a value: --socket PATH")
    #expect(problem("m", "--json=1") == "--json takes no value")
    #expect(problem("m", "--json", "--json") == "--json is given twice")
  }

  @Test func `checks numbers`() throws {
    let arguments = try Arguments(["m", "--top", "0"], for: spec)
    let error = #expect(throws: UsageError.self) { try arguments.integer("--top", in: 1...9) }
    #expect(error?.description == "--top wants an integer from 1 to 9, not \"0\"")
  }

  @Test func `aligns columns and tames control characters`() {
    var table = Table(["A", "LONG"])
    table.add("word", "\u{1B}[31m")
    table.add("x", "")
    #expect(table.text == "A     LONG\nword  \u{FFFD}[31m\nx")
  }
}
