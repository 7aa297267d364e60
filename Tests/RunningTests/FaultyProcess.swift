import CLinux
import Foundation
import Inference
import Manifests
import Telemetry

@testable import Running

/// The faulty runner in a process of its own, ended with the test.
struct FaultyProcess {
  let runner: Runner
  let ends: Locked<[RunnerEnd]>

  /// - Parameter fault: What is wrong with the library itself; a word of `FaultyRunner.c`.
  init(
    _ fault: String? = nil, _ change: (inout ProcessOptions) -> Void = { _ in },
    manifest: (inout RunnerManifest) -> Void = { _ in }
  ) throws {
    var options = ProcessOptions()
    options.executable = Faulty.library("stadion")
    options.arenaBytes = 64 << 20
    options.killAfterMs = 200
    change(&options)
    let ends = Locked<[RunnerEnd]>([])
    let described = try Faulty.manifest(fault) { each in
      each.isolation = .process
      manifest(&each)
    }
    runner = Runner(described, options: options) { end in ends.withLock { $0.append(end) } }
    self.ends = ends
  }

  func load(_ options: [String: String] = [:], runs: Int? = nil, inlineMicros: Int = 0) async throws -> FaultyModel {
    try await runner.open()
    let model = try await runner.load(
      Runner.LoadRequest(
        path: "/", device: .cpu, options: options, maxConcurrentRuns: runs, queueLimit: 64,
        inlineMicros: inlineMicros))
    return FaultyModel(faulty: try Faulty.shared.get(), model: model, slot: 0)
  }

  var process: Int32 { runner.processID ?? 0 }

  func isAlive(_ process: Int32) -> Bool { kill(process, 0) == 0 }

  /// Bytes of `key` in the process's status, such as "RssAnon".
  func memory(_ key: String, of process: Int32? = nil) -> Int {
    let text = (try? String(contentsOfFile: "/proc/\(process ?? self.process)/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(key + ":") }
    return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }
}
