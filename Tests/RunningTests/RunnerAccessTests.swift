import Confinement
import Foundation
import Inference
@testable import Manifests
import Testing
import Wire

@testable import Running

@Suite struct `What a runner's process may open` {
  private func manifest(_ change: (inout RunnerManifest) -> Void = { _ in }) -> RunnerManifest {
    var manifest = RunnerManifest(
      id: "org.a", abi: .init(major: 0, minor: 1), libraryPath: "/opt/a/libA.so", devices: [.init(kind: .cpu)],
      models: .init(formats: ["a"], elementTypes: [.f32]))
    change(&manifest)
    return manifest
  }

  private func confinement(_ roots: [String] = [], _ change: (inout RunnerManifest) -> Void = { _ in }) -> Confinement {
    RunnerAccess.confinement(for: manifest(change), modelRoots: roots)
  }

  @Test func `is its library's folder and the models, and nothing to write`() {
    let given = confinement(["/models"])
    #expect(given.readablePaths == ["/opt/a", "/models"])
    #expect(given.writablePaths == [] && given.devicePaths == [] && given.memoryBytes == nil)
  }

  @Test func `is what its manifest adds`() {
    let given = confinement {
      $0.access.read = ["/usr/share/a"]
      $0.access.write = ["/var/cache/a"]
      $0.access.devices = ["/dev/a0"]
      $0.limits.memoryBytes = 7
    }
    #expect(given.readablePaths == ["/opt/a", "/usr/share/a"])
    #expect(given.writablePaths == ["/var/cache/a"] && given.devicePaths == ["/dev/a0"] && given.memoryBytes == 7)
  }

  @Test func `is the folder of an engine, where it is said to lie and where it really lies`() throws {
    let folder = NSTemporaryDirectory() + "stadion-access-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for name in ["real", "said"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    let top = try #require(realpath(folder, nil).map { String(cString: $0) })
    try Data().write(to: URL(fileURLWithPath: "\(folder)/real/libEngine.so.1.2"))
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder)/said/libEngine.so", withDestinationPath: "../real/libEngine.so.1.2")
    let given = confinement { $0.options = ["library": "\(folder)/said/libEngine.so"] }
    #expect(Set(given.readablePaths) == ["/opt/a", "\(top)/real", "\(folder)/said"])
  }

  @Test func `is a file that an option names, and no more of its folder`() {
    let given = confinement { $0.options = ["vocabulary": "/data/words.txt", "threads": "4", "path": "relative/x.so"] }
    #expect(given.readablePaths == ["/opt/a", "/data/words.txt"])
  }

  @Test func `are accelerators only for a runner that has one`() {
    #expect(confinement { $0.devices = [.init(kind: .cpu), .init(kind: .gpu)] }.devicePaths.contains("/dev/dri"))
    #expect(confinement { $0.devices = [.init(kind: .cpu)] }.devicePaths.isEmpty)
  }

  @Test func `arrives as it was sent`() {
    let given = Confinement(
      readablePaths: ["/a b", "/größe", "/\"\\\n"], writablePaths: ["/w"], devicePaths: ["/dev/x"],
      memoryBytes: 1 << 40,
      openFiles: 77)
    #expect(RunnerAccess.confinement(RunnerAccess.encode(given)) == given)
    let unlimited = Confinement(readablePaths: [])
    #expect(RunnerAccess.confinement(RunnerAccess.encode(unlimited)) == unlimited)
  }

  @Test(arguments: ["{}", #"{"read": [], "write": [], "devices": []}"#, #"{"read": "/", "write": [], "devices": []}"#])
  func `isn't everything when the order is broken`(order: String) throws {
    #expect(RunnerAccess.confinement(try JSONValue(parsing: order)) == nil)
  }
}
