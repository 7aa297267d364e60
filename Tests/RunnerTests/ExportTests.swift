import Foundation
import Testing

@Suite struct `Libraries of runners` {
  private static let libraries =
    [
      "libEchoRunner.so", "libLiteRTRunner.so", "libOnnxRuntimeRunner.so", "libOpenVINORunner.so",
      "libTensorFlowRunner.so",
    ] + (Torch.isReady ? [Torch.library] : [])

  @Test(arguments: libraries)
  func `export the entry function and nothing else`(library: String) throws {
    let nm = Process()
    let output = Pipe()
    nm.executableURL = URL(fileURLWithPath: "/usr/bin/nm")
    // The linker also lists some local symbols of Swift; nobody can bind to those.
    nm.arguments = ["-D", "--defined-only", "--extern-only", "--format=just-symbols", Plugin.path(library)]
    nm.standardOutput = output
    try nm.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    nm.waitUntilExit()
    #expect(text == "stadion_plugin_entry\n")
  }

  @Test func `refuse a host of another major version`() {
    for library in Self.libraries {
      #expect(Plugin.entry(of: library)(1, 0) == nil)
      #expect(Plugin.entry(of: library)(0, 1) != nil)
      #expect(Plugin.entry(of: library)(0, 1) == Plugin.entry(of: library)(0, 1))
    }
  }
}
