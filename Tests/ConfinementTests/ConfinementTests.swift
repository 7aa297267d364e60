import Foundation
import Testing

@testable import Confinement

/// Where `make` puts the engine and its models.
private enum Setup {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let engine = root + "/.stadion/engines/onnxruntime"
  static let library = engine + "/libonnxruntime.so.1.32.0"
  static let model = root + "/.stadion/models/basic_pitch/1/model.onnx"
  /// With STADION_REQUIRE_ENGINES the tests run without the engine too, and fail.
  static let isReady =
    ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] != nil
    || [library, model].allSatisfy { FileManager.default.fileExists(atPath: $0) }
}

@Suite struct `Confinement` {
  let surroundings = try! Surroundings()
  private let mebibyte = 1 << 20

  // -- What goes on working

  @Test(arguments: ["threads", "place-thread", "compile", "processor", "null", "memory-file"])
  func `leaves runners what they need`(attempt: String) throws {
    let probe = try Probe(["try=\(attempt)"])
    #expect(probe.result(attempt) == 0, "\(probe.output)")
  }

  @Test func `lets a runner read its models`() throws {
    let folder = surroundings.folder + "/own"
    let probe = try Probe(["read=\(folder)", "try=read:\(surroundings.own)", "try=list:\(folder)"])
    #expect(probe.result("read:\(surroundings.own)") == 0)
    #expect(probe.result("list:\(folder)") == 0)
  }

  @Test func `lets a runner keep a cache`() throws {
    let file = surroundings.cache + "/compiled"
    let probe = try Probe([
      "write=\(surroundings.cache)", "try=make-file:\(file)", "try=write:\(file)", "try=remove-file:\(file)",
      "try=make-file:\(surroundings.other)", "try=change-mode:\(surroundings.cache)/model.onnx",
    ])
    for word in ["make-file", "write", "remove-file"] { #expect(probe.result("\(word):\(file)") == 0) }
    #expect(probe.result("make-file:\(surroundings.other)") == EACCES)
    #expect(probe.result("change-mode:\(surroundings.cache)/model.onnx") == EPERM)
  }

  @Test func `opens a device only where it is named`() throws {
    #expect(try Probe(["try=write:/dev/full"]).result("write:/dev/full") == EACCES)
    #expect(try Probe(["device=/dev/full", "try=write:/dev/full"]).result("write:/dev/full") == 0)
  }

  @Test(.enabled(if: Setup.isReady, "requires: onnxruntime (make engines/onnxruntime and the models)"))
  func `changes no result of ONNX Runtime on several threads`() throws {
    let words = [
      "read=\(Setup.engine)", "read=\(Setup.model)", "option=library=\(Setup.library)", "option=intra_op_threads=2",
      "model=\(Setup.model)",
    ]
    let library = Probe.product("libOnnxRuntimeRunner.so")
    let confined = try Probe(library: library, words)
    let free = try Probe(library: library, words + ["free"])
    #expect(confined.status == 0)
    #expect(free.line("model")?.contains("StatefulPartitionedCall:0:181632:") == true)
    #expect(confined.line("model") == free.line("model"), "\(confined.output)")
  }

  // -- Limits

  @Test func `ends an allocation over the memory limit, not the runner`() throws {
    let words = ["try=memory:\(512 * mebibyte)", "try=memory:\(64 * mebibyte)"]
    let limited = try Probe(["memory=\(128 * mebibyte)"] + words)
    #expect(limited.result("memory:\(512 * mebibyte)") == ENOMEM)
    #expect(limited.result("memory:\(64 * mebibyte)") == 0)
    #expect(try Probe(words).result("memory:\(512 * mebibyte)") == 0)
  }

  @Test func `leaves no core when a runner aborts`() throws {
    let probe = try Probe(["try=abort"])
    #expect(probe.endedBySignal)
    #expect(probe.status == SIGABRT)
  }

  // -- When it can't be had

  @Test func `is refused to a process with two threads`() throws {
    let probe = try Probe(["thread"])
    #expect(probe.status == 1)
    #expect(probe.line("refused")?.contains("this one has 2") == true, "\(probe.output)")
  }

  @Test func `skips paths that aren't there`() throws {
    let probe = try Probe(["read=/nowhere", "write=/nowhere/either", "device=/dev/nvidia99", "try=threads"])
    #expect(probe.result("threads") == 0, "\(probe.output)")
  }

  @Test func `has nothing to remark on a kernel with all of it`() throws {
    #expect(FileAccess.remarks(of: 6).isEmpty)
    #expect(FileAccess.remarks(of: 7).isEmpty)
  }

  @Test func `remarks what an older kernel lacks`() throws {
    #expect(
      FileAccess.remarks(of: 2) == [
        "TCP ports are restricted by the system call filter alone: Landlock 2 here, 4 needed",
        "devices that are open already may be controlled: Landlock 2 here, 5 needed",
        "signals and abstract sockets are restricted by the system call filter alone: Landlock 2 here, 6 needed",
      ])
    #expect(FileAccess.remarks(of: 5).count == 1)
  }
}
