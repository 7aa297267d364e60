import BlockingTests
import Foundation
import StadionClient
import Testing

@Suite(.blocking) struct `The live view` {
  private func top(_ host: Host, _ more: String...) -> [String] {
    [Setup.stadion, "top", "--socket", host.socket, "--interval-ms", "50"] + more
  }

  @Test func `fits 80 by 24, follows the host, and leaves the terminal as it was`() throws {
    let host = try Host([], manifests: "\(Setup.manifests)/echo.runner.json") {
      for number in 10..<40 { try $0.addEcho("a_model_with_a_long_name_\(number)", "x:f32[-1]") }
      try $0.addEcho("echo", "x:f32[-1]", options: ["outputs": "y:f32[-1]"])
      try $0.addEcho("bad", "x:f32[-1]", options: ["outputs": "y:f32[-1]", "fail": "no luck"])
    }
    let terminal = try PseudoTerminal(top(host))
    #expect(terminal.shows { $0.lines.count == 24 }, "\(terminal.text)")
    #expect(terminal.lines.allSatisfy { $0.count <= 80 }, "\(terminal.lines)")
    #expect(terminal.lines[3].hasPrefix("org.stadion.echo ") && terminal.lines[3].contains(" ready "))
    #expect(terminal.lines.last?.hasSuffix("more models") == true)

    // Whoever is asked most stands on top, with the times of these seconds.
    let isOnTop = terminal.shows { _ in
      _ = try? host.sendNumbers()
      _ = try? host.sendNumbers("bad")
      let row = terminal.lines.first { $0.hasPrefix("echo:1") } ?? ""
      return terminal.lines.dropFirst(6).first == row && row.contains("µs") || row.contains("ms")
    }
    #expect(isOnTop, "\(terminal.lines)")
    #expect(terminal.shows { $0.lines.contains { $0.hasPrefix("bad:1") && !$0.hasSuffix(" 0") } }, "\(terminal.lines)")

    let process = try host.process("org.stadion.echo")
    kill(process, SIGSEGV)
    let restarted = terminal.shows { terminal in
      let words = terminal.lines.first { $0.hasPrefix("org.stadion.echo ") }?.split(separator: " ") ?? []
      return words.count >= 5 && words[3] == "1" && words[4] == "1"
    }
    #expect(restarted, "\(terminal.lines)")

    terminal.resize(width: 100, height: 30)
    #expect(terminal.shows { $0.lines.count == 30 && $0.lines.contains { $0.count > 80 } }, "\(terminal.lines)")
    terminal.resize(width: 40, height: 10)
    #expect(terminal.shows { $0.lines.count <= 10 && $0.lines.allSatisfy { $0.count <= 40 } }, "\(terminal.lines)")
    terminal.type("q")
    #expect(terminal.end() == 0)
    #expect(terminal.text.hasPrefix("\u{1B}[?1049h\u{1B}[?25l"))
    #expect(terminal.text.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"))
  }

  @Test func `ends by Ctrl-C, and says why when the host is gone`() throws {
    let host = try hostWithEcho()
    let first = try PseudoTerminal(top(host))
    #expect(first.shows { !$0.lines.isEmpty })
    first.type("\u{3}")
    #expect(first.end() == 0 && first.text.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"))

    let second = try PseudoTerminal(top(host))
    #expect(second.shows { !$0.lines.isEmpty })
    host.command.send(SIGTERM)
    #expect(second.end() == 1)
    let tail = second.text.components(separatedBy: "\u{1B}[?1049l").last ?? ""
    #expect(tail.hasPrefix("stadion: ") && tail.count > 20, "\(tail)")
  }

  @Test func `is plain lines in a pipe`() throws {
    let host = try hostWithEcho()
    for _ in 0..<5 { try host.sendNumbers() }
    let result = try Command.run(top(host, "--count", "2"))
    #expect(result.status == 0 && result.errors == "")
    let lines = result.output.split(separator: "\n")
    #expect(lines.count == 4 && !result.output.contains("\u{1B}"), "\(result.output)")
    let place = " runner=org.stadion.echo device=cpu state=ready "
    #expect(lines.allSatisfy { $0.hasPrefix("model=") && $0.contains(place) })
    #expect(try Command.run(top(host, "--interval-ms", "1")).status == 2)
  }
}
