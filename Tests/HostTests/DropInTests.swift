import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Runners, libraries and engines that come, go and come back while the host serves, each with the folder it lies in.
@Suite(.blocking) struct `What is dropped in` {
  private static let echo = (Setup.stadion as NSString).deletingLastPathComponent + "/libEchoRunner.so"
  private static let id = "org.stadion.echo"

  /// A host with a model of the Echo runner's.
  private func start(manifests: String, _ folder: TemporaryFolder, prepare: () throws -> Void = {}) throws -> Host {
    try Host(manifests: "\(folder.path)/\(manifests)", folder: folder) {
      try $0.addEcho("m", "X:f32[-1]")
      try prepare()
    }
  }

  private func isServed(_ host: Host) -> Bool {
    holds { (try? host.infer("m", floats("X", [1], [1]))) == [floats("X", [1], [1])] }
  }

  @Test func `a folder of manifests may come later, and go and come back`() throws {
    let folder = TemporaryFolder()
    // Two levels of it are missing.
    let host = try start(manifests: "late/runners", folder)
    let text = """
      {"manifestVersion": "1.0", "id": "\(Self.id)", "version": "0.1.0", "abi": {"major": 0, "minor": 1},
       "library": {"path": "\(Self.echo)"}, "devices": [{"kind": "cpu"}],
       "models": {"formats": ["echo"], "elementTypes": ["f32"], "dynamicShapes": true, "streams": false,
        "cancel": "none"}}
      """
    for _ in 0..<2 {
      try folder.write("late/runners/echo.runner.json", text)
      #expect(isServed(host), "\(host.state)")
      try folder.remove("late")
      // Only then it comes back: nobody watches what isn't there.
      #expect(try holds { try host.runner(Self.id) == nil }, "\(host.state)")
    }
  }

  @Test func `a library's folder may come later, and be another`() throws {
    let folder = TemporaryFolder()
    folder.makeFolder("runners")
    try folder.writeManifest(Self.id, library: "\(folder.path)/build/out/libEchoRunner.so", format: "echo")
    let host = try start(manifests: "runners", folder)
    #expect(try host.runner(Self.id) == nil)
    // As a build makes it: whole, under its name in one step.
    try folder.copy(Self.echo, to: "draft/out/libEchoRunner.so")
    try folder.move("draft", to: "build")
    #expect(isServed(host), "\(host.state)")
    let first = try host.process(Self.id)
    try folder.move("build", to: "old")
    try folder.copy(Self.echo, to: "draft/out/libEchoRunner.so")
    try folder.move("draft", to: "build")
    #expect(try holds { try ![0, first].contains(host.process(Self.id)) }, "\(host.state)")
    #expect(isServed(host), "\(host.state)")
  }

  @Test func `a link that leads to another library is a new library`() throws {
    let folder = TemporaryFolder()
    folder.makeFolder("runners")
    folder.makeFolder("current")
    let link = "current/libEchoRunner.so"
    func lead(to version: String) throws {
      try folder.copy(Self.echo, to: "\(version)/libEchoRunner.so")
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder.path)/current/.new", withDestinationPath: "\(folder.path)/\(version)/libEchoRunner.so")
      try folder.move("current/.new", to: link)
    }
    try lead(to: "v1")
    try folder.writeManifest(Self.id, library: "\(folder.path)/\(link)", format: "echo")
    let host = try start(manifests: "runners", folder)
    let clients = SteadyClients(
      host, "m", body: #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#, count: 2)
    #expect(clients.answersMore())
    let first = try host.process(Self.id)
    try lead(to: "v2")
    #expect(try holds { try ![0, first].contains(host.process(Self.id)) }, "\(host.state)")
    #expect(clients.answersMore())
    #expect(clients.stop() == [:])
  }

  @Test(.enabled(if: Setup.hasLiteRT, Comment(rawValue: Setup.needsLiteRT)))
  func `an engine may be installed later`() throws {
    let engine = "engines/litert/libLiteRt.so"
    let host = try Host.withRunners {
      try $0.addManifest("litert", ["options": ["library": "\($0.path)/\(engine)"]])
      try $0.addTFLite("add", Setup.tflite("add"))
    }
    let index = try host.index()
    #expect(index.contains { $0.hasPrefix("add:1 UNAVAILABLE: ") && $0.contains("make engines/litert") }, "\(index)")
    try host.folder.copy(Setup.litert, to: engine)
    let one = [Float](repeating: 1, count: 4)
    #expect(
      holds { (try? host.infer("add", floats("x", [1, 4], one), floats("y", [1, 4], one))) != nil }, "\(host.state)")
  }
}
