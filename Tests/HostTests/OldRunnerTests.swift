import BlockingTests
import Foundation
import StadionClient
import Testing

/// Tests/Fixtures/EchoRunner-0.1 is built with the header that it was released with.
@Suite(.blocking) struct `A runner of ABI 0 dot 1` {
  private static func manifest(_ isolation: String, minor: Int) throws -> String {
    let text = try String(contentsOfFile: "\(Setup.root)/runner-manifests/echo.runner.json", encoding: .utf8)
    let changes = [
      ("@host/libEchoRunner.so", "@host/libEchoRunner-0.1.so"),
      (#""manifestVersion": "1.0","#, #""manifestVersion": "1.0", "isolation": "\#(isolation)","#),
      (#""abi": { "major": 0, "minor": 1 }"#, #""abi": { "major": 0, "minor": \#(minor) }"#),
    ]
    return changes.reduce(text) { text, change in
      #expect(text.contains(change.0))
      return text.replacingOccurrences(of: change.0, with: change.1)
    }
  }

  @Test(arguments: ["host", "process"])
  func `is opened, loads a model and runs it`(isolation: String) throws {
    let folder = TemporaryFolder()
    try folder.write("old.runner.json", Self.manifest(isolation, minor: 1))
    let host = try Host(manifests: folder.path, folder: folder) { try $0.addEcho("old", "X:f32[-1] Y:f32[2]") }
    #expect(try host.index() == ["old:1 READY"], "\(host.state)")
    let x = floats("X", [3], [1, -2, 3])
    let y = floats("Y", [2], [4, 5])
    #expect(try host.infer("old", x, y) == [x, y])
  }

  @Test func `is what its library says, whatever the header of today is`() throws {
    let header = try String(
      contentsOfFile: "\(Setup.root)/Tests/Fixtures/EchoRunner-0.1/stadion_runner.h", encoding: .utf8)
    #expect(header.contains("#define STADION_ABI_MAJOR ((uint32_t)0)\n#define STADION_ABI_MINOR ((uint32_t)1)\n"))
  }

  @Test func `is refused under a manifest of a minor that isn't there yet`() throws {
    let folder = TemporaryFolder()
    try folder.write("new.runner.json", Self.manifest("host", minor: 999))
    let host = try Host(manifests: folder.path, folder: folder)
    let list = try host.stadion("runner", "list", "--all")
    #expect(list.output.contains("speaks ABI 0.999, host speaks 0."), "\(list.output)\(list.errors)")
  }
}
