import CLinux
import CStadionRunner
import Foundation
import Inference
import Manifests
import Synchronization
import Telemetry
import Threads

@testable import Running

/// The faulty runner, opened; each test may have a library of its own, whose name says what is wrong with it.
struct Faulty {
  let runner: Runner
  let plugin: Plugin
  let libraryPath: String

  static let shared = Result { try Faulty() }

  /// - Parameters:
  ///   - fault: What is wrong with the library itself; a word of `FaultyRunner.c`.
  ///   - change: To the manifest.
  init(_ fault: String? = nil, _ change: (inout RunnerManifest) -> Void = { _ in }) throws {
    let manifest = try Self.manifest(fault, change)
    runner = Runner(manifest)
    plugin = try Plugin(manifest)
    libraryPath = manifest.libraryPath
  }

  /// SwiftPM puts plugins beside the test bundle, whichever build system it uses.
  static func library(_ file: String) -> String {
    let executable = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: executable).deletingLastPathComponent().appendingPathComponent(file).path
  }

  /// Where copies lie until the process ends.
  private static let copies: String = {
    atexit { try? FileManager.default.removeItem(atPath: NSTemporaryDirectory() + "stadion-faulty-\(getpid())") }
    return NSTemporaryDirectory() + "stadion-faulty-\(getpid())"
  }()

  static func manifest(_ fault: String? = nil, _ change: (inout RunnerManifest) -> Void = { _ in }) throws
    -> RunnerManifest
  {
    var path = library("libFaultyRunner.so")
    if let fault {
      // A copy is another library to the loader: it has its own state and its own faults.
      let folder = "\(copies)/\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let copy = "\(folder)/org.stadion.test.faulty+\(fault)+cpu.so"
      try FileManager.default.copyItem(atPath: path, toPath: copy)
      path = copy
    }
    var manifest = RunnerManifest(
      id: "org.stadion.test.faulty", abi: .init(major: 0, minor: 1), libraryPath: path,
      devices: [.init(kind: .cpu)],
      models: .init(formats: ["faulty"], elementTypes: [.f32], dynamicShapes: true))
    manifest.isolation = .host
    change(&manifest)
    return manifest
  }

  // MARK: Models

  func load(_ options: [String: String] = [:], runs: Int? = nil, queueLimit: Int = 1024, inlineMicros: Int = 0)
    async throws -> FaultyModel
  {
    let slot = Self.takeSlot()
    try await runner.open()
    let model = try await runner.load(
      Runner.LoadRequest(
        path: "/", device: .cpu, options: options.merging(["slot": String(slot)]) { own, _ in own },
        maxConcurrentRuns: runs, queueLimit: queueLimit, inlineMicros: inlineMicros))
    return FaultyModel(faulty: self, model: model, slot: slot)
  }

  private static let lastSlot = Atomic<UInt32>(0)
  static func takeSlot() -> UInt32 { lastSlot.wrappingAdd(1, ordering: .relaxed).newValue }

  // MARK: Counters

  enum Counter: UInt32 {
    case runs, running, mostRunning, made, released, thread, models, loads, cancelled, late, go, opens, closes,
      interrupts
  }

  func count(_ counter: Counter, slot: UInt32) -> UInt64 {
    let get = unsafeBitCast(
      plugin.table.pointee.extension("test.get")!, to: (@convention(c) (UInt32, UInt32) -> UInt64).self)
    return get(slot, counter.rawValue)
  }

  func set(_ counter: Counter, slot: UInt32, _ value: UInt64) {
    let set = unsafeBitCast(
      plugin.table.pointee.extension("test.set")!, to: (@convention(c) (UInt32, UInt32, UInt64) -> Void).self)
    set(slot, counter.rawValue, value)
  }
}

/// A model in the faulty runner.
struct FaultyModel: Sendable {
  let faulty: Faulty
  let model: LoadedModel
  let slot: UInt32
  let statistics = ModelStatistics()

  func count(_ counter: Faulty.Counter) -> UInt64 { faulty.count(counter, slot: slot) }
  /// Lets everything go on that waits for it.
  func go() { faulty.set(.go, slot: slot, 1) }
  func unload() async { await faulty.runner.unload(model) }

  /// Runs once and gives the values of the outputs, in the order of the signature.
  @discardableResult
  func run(
    _ values: [Float] = [1, 2, 3, 4], _ request: RunRequest = RunRequest(), deadlineNs: UInt64 = 0,
    wanted: [Int] = [], on loop: (any TargetLoop)? = nil, _ prepareToWait: () -> Void = {}
  ) async throws -> [[Float]] {
    try request.begin(model)
    let bytes = values.count * 4
    let memory = request.arena.allocate(bytes)!
    values.withUnsafeBytes { if bytes > 0 { memory.copyMemory(from: $0.baseAddress!, byteCount: bytes) } }
    request.shape(ofInput: 0)[0] = Int64(values.count)
    request.setInput(0, rank: 1, data: memory, byteCount: bytes)
    for index in wanted { request.want(output: index) }
    request.ticket.renew(deadlineNs: deadlineNs)
    defer { request.reset() }
    try await model.execute(request, on: loop, statistics: statistics, prepareToWait: prepareToWait)
    return request.outputs.sorted { $0.index < $1.index }.map { output in
      (0..<output.byteCount / 4).map { output.data.load(fromByteOffset: $0 * 4, as: Float.self) }
    }
  }

  /// The error that a run ends with.
  func failure(
    _ request: RunRequest = RunRequest(), deadlineNs: UInt64 = 0, on loop: (any TargetLoop)? = nil
  ) async -> HostError? {
    do {
      try await run([1, 2, 3, 4], request, deadlineNs: deadlineNs, on: loop)
      return nil
    } catch {
      return error as? HostError
    }
  }
}

struct TimedOut: Error, CustomStringConvertible {
  let description: String
}

/// Waits until `condition` holds; no test relies on how long that takes.
func wait(for what: String, _ condition: () -> Bool) async throws {
  let limit = linux_now_ns() + 20_000_000_000
  while !condition() {
    guard linux_now_ns() < limit else { throw TimedOut(description: "waited 20 s for \(what)") }
    try await Task.sleep(nanoseconds: 500_000)
  }
}

/// SplitMix64: the same numbers for the same seed.
struct Dice {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// A value that tasks share: a `Mutex` itself can't be captured by several.
final class Locked<Value: Sendable>: Sendable {
  private let mutex: Mutex<Value>

  init(_ value: Value) { mutex = Mutex(value) }

  @discardableResult
  func withLock<R: Sendable>(_ body: (inout Value) -> R) -> R { mutex.withLock { body(&$0) } }
  var value: Value { withLock { $0 } }
}
