import CStadionRunner
import Foundation
import Inference
import Testing

/// `Golden/abi-MAJOR.MINOR.txt` holds every size, offset and number of a released minor. A change of the contract is a
/// new file beside them; one that isn't meant shows as a diff.
@Suite struct `The runner ABI` {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "Golden")

  private static let goldenNames = try! FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()

  private static func golden(_ name: String) throws -> [String] {
    try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8).split(separator: "\n").map(String.init)
  }

  @Test func `is what the golden file of its version says`() throws {
    let name = "abi-\(STADION_ABI_MAJOR).\(STADION_ABI_MINOR).txt"
    guard Self.goldenNames.contains(name) else {
      Issue.record("Golden/\(name) isn't there; it would be:\n\(HeaderLayout.lines.joined(separator: "\n"))")
      return
    }
    let expected = try Self.golden(name)
    let added = HeaderLayout.lines.filter { !expected.contains($0) }.map { "+ \($0)" }
    let gone = expected.filter { !HeaderLayout.lines.contains($0) }.map { "- \($0)" }
    #expect(gone + added == [])
    #expect(HeaderLayout.lines.count == expected.count)
  }

  @Test(arguments: goldenNames)
  func `keeps what a minor before had and only appends`(name: String) throws {
    let now = Set(HeaderLayout.lines)
    let sizes = Dictionary(
      uniqueKeysWithValues: HeaderLayout.lines.filter { $0.hasPrefix("sizeof ") }.map { line in
        let words = line.split(separator: " ")
        return (String(words[1]), Int(words[2])!)
      })
    for line in try Self.golden(name) {
      let words = line.split(separator: " ")
      if words[0] == "sizeof" {
        #expect(sizes[String(words[1]), default: 0] >= Int(words[2])!, "\(line) has shrunk")
      } else if words[0] != "STADION_ABI_MINOR" {
        #expect(now.contains(line), "\(line) is gone")
      }
    }
  }

  @Test func `names each version that the host opens, with its table's size`() throws {
    let host = SupportedABI.host
    #expect(host.newest == ABIVersion(major: Int(STADION_ABI_MAJOR), minor: Int(STADION_ABI_MINOR)))
    let minors = Array(host.oldest.minor...host.newest.minor)
    #expect(Self.goldenNames == minors.map { "abi-\(host.newest.major).\($0).txt" })
    for minor in minors {
      let size = host.tableByteCount(of: ABIVersion(major: host.newest.major, minor: minor))!
      #expect(try Self.golden("abi-\(host.newest.major).\(minor).txt").contains("sizeof stadion_plugin \(size)"))
    }
  }

  @Test func `leaves no constant and no struct of the headers out`() throws {
    let include = Self.folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Sources/CStadionRunner/include")
    let headers = ["stadion_runner.h", "ext/stadion_ext_interrupt.h"]
    let text = try headers.map { try String(contentsOf: include.appendingPathComponent($0), encoding: .utf8) }.joined()
    let helpers: Set<String> = ["STADION_RUNNER_H", "STADION_EXT_INTERRUPT_H", "STADION_EXPORT", "STADION_HAS"]
    let constants = text.matches(of: /\n(?:#define |  )(STADION_[A-Z0-9_]+)\b(?!_|\()/).map { String($0.1) }
      .filter { !helpers.contains($0) && !$0.hasSuffix("_") }
    let structs = text.matches(of: /\n(?:typedef )?struct (stadion_\w+) \{/).map { String($0.1) }
    let words = HeaderLayout.lines.map { $0.split(separator: " ").map(String.init) }
    #expect(constants.sorted() == words.map { $0[0] }.filter { $0.hasPrefix("STADION_") }.sorted())
    #expect(structs.sorted() == words.filter { $0[0] == "sizeof" }.map { $0[1] }.sorted())
  }
}
