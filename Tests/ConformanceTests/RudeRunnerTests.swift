import BlockingTests
import Foundation
import Testing

/// Faults that end or spoil the process; a runner is compiled for them, as its author would.
@Suite(.blocking) struct `A rude runner` {
  static let library = compiled([])

  /// Fixtures/rude.c as a library; nil without a C compiler.
  private static func compiled(_ flags: [String]) -> String? {
    let output = NSTemporaryDirectory() + "stadion-rude-\(UUID().uuidString).so"
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments =
      [
        "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
        RunnerCheck.root + "/Sources/CStadionRunner/include",
        RunnerCheck.root + "/Tests/ConformanceTests/Fixtures/rude.c", "-o", output,
      ] + flags
    guard (try? compiler.run()) != nil else { return nil }
    compiler.waitUntilExit()
    return compiler.terminationStatus == 0 ? output : nil
  }

  @Test(.enabled(if: library != nil, "requires: cc"), arguments: PlantedFault.rudeModels)
  func `is found out`(planted: PlantedFault) throws {
    let words = ["--option", "fault=\(planted.fault)", "--only", planted.check]
    let found = try RunnerCheck(try #require(Self.library), words)
    #expect(found.ids.contains(planted.id) && found.status == 1, "\(found.output)")
  }

  @Test(.enabled(if: library != nil, "requires: cc"), arguments: PlantedFault.rudeFiles.indices)
  func `is found out by its file`(index: Int) throws {
    let (planted, flag) = PlantedFault.rudeFiles[index]
    let library = try #require(Self.compiled([flag]))
    defer { try? FileManager.default.removeItem(atPath: library) }
    let found = try RunnerCheck(library, ["--only", planted.check])
    #expect(found.ids == [planted.id], "\(found.output)")
  }

  @Test(.enabled(if: library != nil, "requires: cc"))
  func `passes when it behaves`() throws {
    let found = try RunnerCheck(try #require(Self.library), ["--option", "fault=none"])
    #expect(found.ids == [] && found.status == 0, "\(found.output)")
  }
}
