import BlockingTests
import Foundation
import Testing

@testable import Conformance

@Suite(.blocking) struct `The conformance kit passes` {
  @Test func `the echo runner`() throws {
    let check = try RunnerCheck(
      RunnerCheck.product("libEchoRunner.so"), ["--option", "inputs=x:f32[-1,4] t:utf8[-1] b:bool[2]"])
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
  }

  @Test func `the echo runner of ABI 0 dot 1`() throws {
    let check = try RunnerCheck(RunnerCheck.product("libEchoRunner-0.1.so"), ["--option", "inputs=x:f32[-1]"])
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
  }

  @Test func `the faulty runner when it behaves`() throws {
    let check = try RunnerCheck(RunnerCheck.product("libFaultyRunner.so"), ["--option", "fault=none"])
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
  }

  private static let engine = RunnerCheck.root + "/.stadion/engines/onnxruntime/libonnxruntime.so.1.32.0"
  private static let model = RunnerCheck.root + "/.stadion/test-models/onnx/identity.onnx"
  private static let isThere = [engine, model].allSatisfy { FileManager.default.fileExists(atPath: $0) }

  @Test(.enabled(if: isThere, "requires: onnxruntime (make test-setup)"))
  func `the ONNX Runtime runner, whose engine leaves nothing behind`() throws {
    let home = NSTemporaryDirectory() + "stadion-check-home-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: home) }
    let check = try RunnerCheck(
      RunnerCheck.product("libOnnxRuntimeRunner.so"),
      ["--model", Self.model, "--runner-option", "library=\(Self.engine)"], environment: ["HOME": home])
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
    // Its telemetry would keep an identifier there.
    #expect(try FileManager.default.contentsOfDirectory(atPath: home) == [])
  }
}

@Suite(.blocking) struct `The conformance kit finds` {
  /// The faulty runner under a name that tells its fault.
  private static func library(_ fault: String, in folder: String) throws -> String {
    let library = "\(folder)/org.stadion.test+\(fault)+cpu.so"
    try FileManager.default.copyItem(atPath: RunnerCheck.product("libFaultyRunner.so"), toPath: library)
    return library
  }

  private func inFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "stadion-check-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  @Test(arguments: PlantedFault.faultyLibraries)
  func `what is wrong with a library`(planted: PlantedFault) throws {
    try inFolder { folder in
      let found = try RunnerCheck(Self.library(planted.fault, in: folder), ["--only", planted.check])
      #expect(found.ids == [planted.id], "\(found.output)")
    }
  }

  @Test(arguments: PlantedFault.faultyLibrariesWithFile)
  func `what a library does with files`(planted: PlantedFault) throws {
    try inFolder { folder in
      try "bias=1\n".write(toFile: "\(folder)/model.faulty", atomically: true, encoding: .utf8)
      let library = try Self.library(planted.fault, in: folder)
      let found = try RunnerCheck(library, ["--model", "\(folder)/model.faulty", "--only", planted.check])
      #expect(found.ids.contains(planted.id), "\(found.output)")
    }
  }

  @Test(arguments: PlantedFault.faultyModels)
  func `what is wrong with a model`(planted: PlantedFault) throws {
    let options = "fault=\(planted.fault)".split(separator: " ").flatMap { ["--option", String($0)] }
    let found = try RunnerCheck(RunnerCheck.product("libFaultyRunner.so"), options + ["--only", planted.check])
    #expect(found.ids.contains(planted.id), "\(found.output)")
  }

  @Test(arguments: PlantedFault.faultyModelsWithFile)
  func `what is wrong with a model's file`(planted: PlantedFault) throws {
    try inFolder { folder in
      try "bias=1\n".write(toFile: "\(folder)/model.faulty", atomically: true, encoding: .utf8)
      let library = RunnerCheck.product("libFaultyRunner.so")
      let found = try RunnerCheck(library, ["--model", "\(folder)/model.faulty", "--only", planted.check])
      #expect(found.ids.contains(planted.id), "\(found.output)")
    }
  }

  @Test(arguments: PlantedFault.otherFiles)
  func `what is no runner`(planted: PlantedFault) throws {
    let zlib = ["x86_64", "aarch64"].map { "/lib/\($0)-linux-gnu/libz.so.1" }
      .first { FileManager.default.fileExists(atPath: $0) }
    let path = planted.fault == "zlib" ? try #require(zlib, "requires: zlib1g") : planted.fault
    let found = try RunnerCheck(path, ["--only", planted.check])
    #expect(found.ids == [planted.id] && found.status == 1, "\(found.output)")
  }

  @Test func `no more in what can't be opened`() throws {
    let found = try RunnerCheck("/etc/hostname", [])
    #expect(found.ids == ["LIB-FILE", "LIB-OPEN"] && found.status == 1, "\(found.output)")
    #expect(found.output.contains("skipped: after LIB-OPEN"))
  }
}

@Suite(.blocking) struct `The leak check` {
  private static let options = ["--option", "inputs=x:f32[1]", "--only", "leaks"]

  @Test func `loads a thousand times`() throws {
    let check = try RunnerCheck(RunnerCheck.product("libEchoRunner.so"), Self.options)
    #expect(check.output.contains("over 1000 loads of 1000") && check.status == 0, "\(check.output)")
  }

  @Test func `loads as often as it is told`() throws {
    let check = try RunnerCheck(RunnerCheck.product("libEchoRunner.so"), Self.options + ["--loads", "60"])
    #expect(check.output.contains("over 60 loads of 60"), "\(check.output)")
  }

  @Test func `says how many loads its time was enough for`() {
    #expect(
      LeakCheck.text(2400, 12, wanted: 1000, seconds: 20)
        == "resident memory grew by 200 bytes per load, over 12 loads of 1000, as many as 20 s allow (--loads gives more)"
    )
    #expect(
      LeakCheck.text(-4096, 4096, wanted: 4096, seconds: 20)
        == "resident memory grew by -1 bytes per load, over 4096 loads of 4096")
  }

  @Test(arguments: ["0", "-1", "many", "100001"])
  func `refuses other numbers`(loads: String) throws {
    let check = try RunnerCheck(RunnerCheck.product("libEchoRunner.so"), Self.options + ["--loads", loads])
    #expect(check.status == 2 && check.output.isEmpty)
  }
}
