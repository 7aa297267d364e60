import CStadionRunner
import Foundation
import Glibc
import Inference
import Manifests
import Testing

@testable import Running

@Suite struct `Opening a runner` {
  /// What opening a library with `fault` says.
  private func refusal(_ fault: String, _ change: (inout RunnerManifest) -> Void = { _ in }) throws -> String {
    do {
      _ = try Plugin(Faulty.manifest(fault, change))
      return "opened"
    } catch let error as HostError {
      return "\(error.code) \(error.message)"
    }
  }

  @Test(arguments: [
    ("null_table", "incompatibleRunner org.stadion.test.faulty can't serve ABI 0.1; rebuild the runner"),
    ("wrong_abi", "incompatibleRunner org.stadion.test.faulty: speaks ABI 0.7, host speaks 0.1; rebuild the runner"),
    (
      "old_abi_small_table",
      "incompatibleRunner org.stadion.test.faulty: speaks ABI 0.0, host speaks 0.1; rebuild the runner"
    ),
    (
      "size_0",
      "incompatibleRunner org.stadion.test.faulty: its table has 0 bytes, 136 to 4096 are possible; rebuild it"
    ),
    (
      "size_small",
      "incompatibleRunner org.stadion.test.faulty: its table has 64 bytes, 136 to 4096 are possible; rebuild it"
    ),
    (
      "size_1mb",
      "incompatibleRunner org.stadion.test.faulty: its table has 1048576 bytes, 136 to 4096 are possible; rebuild it"
    ),
    ("id_mismatch", "incompatibleRunner org.stadion.test.faulty: its library says that it is org.other"),
    ("null_id", "incompatibleRunner org.stadion.test.faulty: its library says that it is nothing"),
    (
      "no_function",
      "incompatibleRunner org.stadion.test.faulty: a function is missing in its table; only probe, metadata and "
        + "extension may be NULL"
    ),
    (
      "open_fails",
      "overloaded runner org.stadion.test.faulty failed to open: the engine's licence has expired"
    ),
    (
      "probe_0",
      "incompatibleRunner org.stadion.test.faulty can't run on this machine: this machine lacks a flux capacitor"
    ),
    ("no_devices", "incompatibleRunner org.stadion.test.faulty: the manifest names cpu, the runner has none"),
    (
      "few_formats",
      "incompatibleRunner org.stadion.test.faulty: the manifest claims faulty, the runner serves else"
    ),
    (
      "null_formats",
      "incompatibleRunner org.stadion.test.faulty: the manifest claims faulty, the runner serves nothing"
    ),
    (
      "static_shapes",
      "incompatibleRunner org.stadion.test.faulty: the manifest claims dynamic shapes, the runner has none"
    ),
    ("bad_kind", "incompatibleRunner org.stadion.test.faulty: device 0 has no valid size or kind name"),
    ("null_kind", "incompatibleRunner org.stadion.test.faulty: device 0 has no valid size or kind name"),
    ("device_size_0", "incompatibleRunner org.stadion.test.faulty: device 0 has no valid size or kind name"),
  ])
  func `refuses a library that doesn't keep the contract`(fault: String, words: String) throws {
    #expect(try refusal(fault) == words)
  }

  @Test func `refuses a manifest that names another device`() throws {
    #expect(
      try refusal("none") { $0.devices = [.init(kind: .gpu), .init(kind: .npu)] }
        == "incompatibleRunner org.stadion.test.faulty: the manifest names gpu, npu, the runner has cpu")
    #expect(
      try refusal("none") { $0.devices = [.init(kind: .cpu, ordinal: 7)] }
        == "incompatibleRunner org.stadion.test.faulty: the manifest names cpu, the runner has cpu")
  }

  @Test func `says what is wrong with a file that is no library`() throws {
    #expect(try refusal("none") { $0.libraryPath = "/etc/passwd" }.contains("can't open /etc/passwd: "))
    #expect(try refusal("none") { $0.libraryPath = "/nowhere.so" }.contains("can't open /nowhere.so: "))
    let zlib = "/lib/\(ManifestSearch.currentArch)-linux-gnu/libm.so.6"
    let words = "incompatibleRunner \(zlib) doesn't export stadion_plugin_entry; is it a runner?"
    #expect(try refusal("none") { $0.libraryPath = zlib } == words)
  }

  @Test func `keeps what the runner says of itself`() throws {
    let faulty = try Faulty("probe_200")
    #expect(faulty.plugin.score == 200)
    #expect(faulty.plugin.version == "0.0.1")
    #expect(faulty.plugin.engine == "faulty 1")
    let silent = try Faulty("null_version") { $0.version = "7" }
    #expect(silent.plugin.version == "7")
    #expect(silent.plugin.engine == "")
  }

  @Test func `takes the smaller number of runs of manifest and device, and at least one`() throws {
    #expect(try Faulty("none").plugin.devices[0].maxConcurrentRuns == 64)
    #expect(try Faulty("none") { $0.devices[0].maxConcurrentRuns = 3 }.plugin.devices[0].maxConcurrentRuns == 3)
    #expect(try Faulty("runs_1") { $0.devices[0].maxConcurrentRuns = 3 }.plugin.devices[0].maxConcurrentRuns == 1)
    #expect(try Faulty("runs_0").plugin.devices[0].maxConcurrentRuns == 1)
  }

  /// A library's function, found as the host finds its entry.
  private func function<F>(_ name: String, of path: String, _: F.Type) -> F {
    let library = dlopen(path, RTLD_NOW | RTLD_LOCAL)
    let entry = unsafeBitCast(dlsym(library, STADION_ENTRY_SYMBOL)!, to: stadion_entry_fn.self)
    return unsafeBitCast(entry(0, 1)!.pointee.extension(name)!, to: F.self)
  }

  @Test func `closes a runner that it refuses after opening it`() throws {
    let manifest = try Faulty.manifest("no_devices")
    #expect(throws: HostError.self) { try Plugin(manifest) }
    let get = function("test.get", of: manifest.libraryPath, (@convention(c) (UInt32, UInt32) -> UInt64).self)
    #expect(get(0, Faulty.Counter.opens.rawValue) == 1)
    #expect(get(0, Faulty.Counter.closes.rawValue) == 1)
  }

  @Test func `opens a runner that fails to open only once`() async throws {
    let manifest = try Faulty.manifest("open_fails")
    let runner = Runner(manifest)
    for _ in 0..<3 {
      await #expect(throws: HostError.self) { try await runner.open() }
    }
    let get = function("test.get", of: manifest.libraryPath, (@convention(c) (UInt32, UInt32) -> UInt64).self)
    #expect(get(0, Faulty.Counter.opens.rawValue) == 1)
  }

  @Test func `takes a log line from a library that it has refused`() throws {
    let manifest = try Faulty.manifest("few_formats")
    #expect(throws: HostError.self) { try Plugin(manifest) }
    let say = function("test.say", of: manifest.libraryPath, (@convention(c) (UnsafePointer<CChar>) -> Void).self)
    say("still here")
  }
}
