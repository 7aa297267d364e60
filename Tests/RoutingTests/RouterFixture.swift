import CLinux
import CStadionRunner
import Foundation
import Glibc
import Inference
@testable import Manifests
import Running
import Synchronization
import Telemetry

@testable import Routing

/// A model folder and copies of the faulty runner, whose file names say what they are; gone with the test.
final class RouterFixture: Sendable {
  let root: String
  let models: String
  let router: Router

  /// A runner: `devices` as "cpu.gpu", `fault` a word of `FaultyRunner.c`.
  struct Spec {
    var id: String
    var fault = "none"
    var devices = "cpu"
    /// Claimed by the manifest; nil for all of `devices`.
    var claims: [String]?
    var change: (inout RunnerManifest) -> Void = { _ in }
  }

  /// - Parameter processes: Of runners whose manifest says `isolation` process; `change` of a spec does that.
  init(_ specs: [Spec] = [Spec(id: "org.a")], processes: (inout ProcessOptions) -> Void = { _ in }) throws {
    var template = Array("/tmp/stadion-routing-XXXXXX".utf8CString)
    root = String(cString: mkdtemp(&template))
    models = root + "/models"
    mkdir(models, 0o755)
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let library = (executable as NSString).deletingLastPathComponent + "/libFaultyRunner.so"
    var manifests: [RunnerManifest] = []
    for spec in specs {
      let path = "\(root)/\(spec.id)+\(spec.fault)+\(spec.devices).so"
      try FileManager.default.copyItem(atPath: library, toPath: path)
      let kinds = spec.claims ?? spec.devices.split(separator: ".").map(String.init)
      var manifest = RunnerManifest(
        id: spec.id, abi: .init(major: 0, minor: 1), libraryPath: path,
        devices: kinds.map { .init(kind: DeviceKind($0)!) },
        models: .init(formats: ["faulty"], elementTypes: [.f32], dynamicShapes: true))
      manifest.isolation = .host
      spec.change(&manifest)
      manifests.append(manifest)
    }
    var options = Router.Options()
    options.modelRoots.standard = models
    options.processes.executable = (executable as NSString).deletingLastPathComponent + "/stadion"
    options.processes.arenaBytes = 16 << 20
    options.processes.backOffMs = 1
    processes(&options.processes)
    var found = ManifestSearch.Result()
    found.manifests = manifests
    router = Router(manifests: found, options: options)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  // MARK: The folder

  /// Writes a version anew: `text` are lines key=value for the runner, whose library takes `faulty` and `flawed`.
  func write(_ name: String, _ version: Int = 1, _ text: String = "", format: String = "faulty") throws {
    let folder = "\(models)/\(name)/\(version)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try (text + "\n").write(toFile: "\(folder)/model.\(format)", atomically: true, encoding: .utf8)
  }

  func settings(_ name: String, _ json: String) throws {
    try FileManager.default.createDirectory(atPath: "\(models)/\(name)", withIntermediateDirectories: true)
    try json.write(toFile: "\(models)/\(name)/model.json", atomically: true, encoding: .utf8)
  }

  /// Ends the wait of every load with `fault=load_waits_for_file`.
  func letLoadsGoOn() throws { try "".write(toFile: "\(models)/.go", atomically: false, encoding: .utf8) }

  func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: "\(models)/\(path)") }

  // MARK: Asking

  func version(_ name: String, _ version: Int? = nil) throws(HostError) -> ServedVersion {
    let bytes = Array(name.utf8)
    let found = bytes.withUnsafeBytes { bytes in
      Result { () throws(HostError) in try router.table.version(bytes, version.map { .number($0) } ?? .preferred) }
    }
    return try found.get()
  }

  /// The versions that are served, highest first.
  func served(_ name: String) -> [String] {
    router.table.models(of: .standard).first { $0.name == name }?.versions.map(\.version) ?? []
  }

  /// "1 READY" for each version, with the reason where there is one.
  func states(_ name: String) async -> [String] {
    await router.reports().first { $0.name == name }?.versions.map { version in
      "\(version.label) \(version.state)" + (version.reason.isEmpty ? "" : ": \(version.reason)")
    } ?? []
  }

  /// X + bias for X = 1.
  func answer(_ name: String, _ number: Int? = nil, _ request: RunRequest = RunRequest()) async throws -> Float {
    try await Self.run(try version(name, number), request)
  }

  static func run(_ served: ServedVersion, _ request: RunRequest = RunRequest()) async throws -> Float {
    let model = try served.instance(on: nil)
    try request.begin(model)
    let memory = request.arena.allocate(4)!
    memory.storeBytes(of: 1, as: Float.self)
    request.shape(ofInput: 0)[0] = 1
    request.setInput(0, rank: 1, data: memory, byteCount: 4)
    request.ticket.renew(deadlineNs: 0)
    defer { request.reset() }
    try await model.execute(request, statistics: served.statistics) {}
    return request.outputs[0].data.load(as: Float.self)
  }

  /// How the runner is, and why, as operators are told.
  func report(_ runner: Int = 0) async -> RunnerReport { await router.runnerReports()[runner] }

  // MARK: Counters

  enum Counter: UInt32 {
    case runs, running, mostRunning, made, released, thread, models, loads, cancelled, late, go, opens, closes,
      interrupts
  }

  private static func function<F>(_ name: String, _ path: String, _: F.Type) -> F {
    let library = dlopen(path, RTLD_NOW | RTLD_LOCAL)
    let entry = unsafeBitCast(dlsym(library, STADION_ENTRY_SYMBOL)!, to: stadion_entry_fn.self)
    return unsafeBitCast(entry(0, 1)!.pointee.extension(name)!, to: F.self)
  }

  func count(_ counter: Counter, _ runner: Int = 0) -> UInt64 {
    let path = router.manifests.manifests[runner].libraryPath
    return Self.function("test.get", path, (@convention(c) (UInt32, UInt32) -> UInt64).self)(0, counter.rawValue)
  }

  func go(_ runner: Int = 0) {
    let path = router.manifests.manifests[runner].libraryPath
    Self.function("test.set", path, (@convention(c) (UInt32, UInt32, UInt64) -> Void).self)(0, Counter.go.rawValue, 1)
  }
}

struct TimedOut: Error, CustomStringConvertible {
  let description: String
}

/// Waits until `condition` holds; no test relies on how long that takes.
func wait(for what: String, _ condition: () async throws -> Bool) async throws {
  let limit = linux_now_ns() + 20_000_000_000
  while try await !condition() {
    guard linux_now_ns() < limit else { throw TimedOut(description: "waited 20 s for \(what)") }
    try await Task.sleep(nanoseconds: 500_000)
  }
}

/// The error of `body`.
func failure(_ body: () async throws -> Void) async -> HostError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? HostError
  }
}

final class Flag: Sendable {
  private let value = Atomic<Bool>(false)
  var isSet: Bool { value.load(ordering: .acquiring) }
  func set() { value.store(true, ordering: .releasing) }
}

final class RunRequestBox: Sendable {
  let value = RunRequest()
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

extension Router {
  /// Those that have been opened, without opening any.
  var openRunnerIDs: [String] { runners.filter { $0.facts != nil }.map(\.runner.id) }
}
