import BlockingTests
import Foundation
import Inference
import StadionClient
import Synchronization
import Testing
import Wire

/// What the registry has acknowledged outlives the host, and its changes disturb nobody.
@Suite(.blocking, .serialized, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `A registry under stress` {
  private struct Known {
    var versions: Set<String> = []
    /// What may stand in production: the last that was acknowledged, and a promotion whose answer never came.
    var production: Set<String> = []
    /// Of the upload that is under way: its id, and bytes that were acknowledged.
    var upload: (id: String, offset: Int)?
  }

  private static let rounds = ProcessInfo.processInfo.environment["STADION_TEST_KILLS"].flatMap { Int($0) } ?? 5

  @Test func `kill -9 loses nothing that was acknowledged`() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = Seeded(seed)
    let folder = TemporaryFolder()
    let model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity"))))
    let digest = Setup.sha256(model)
    let known = Mutex(Known())
    var slowest = Duration.zero
    do {
      // So that a start loads the engine before the host is ready: each round's time is for registrations.
      let (host, _) = try Self.started(folder)
      try Self.push(host.client, "0", model, digest, known)
    }
    for round in 1...Self.rounds {
      let (host, start) = try Self.started(folder)
      slowest = max(slowest, start)
      try check(host, known.withLock { $0 }, digest, "round \(round), seed \(seed)")
      let work = DispatchGroup()
      let socket = host.socket
      for index in 0..<2 {
        work.enter()
        Thread.detachNewThread {
          defer { work.leave() }
          let client = StadionClient(.unix(path: socket), timeout: .seconds(20))
          for turn in 0... {
            do {
              if index == 0 {
                try Self.push(client, "\(round)-\(turn)", model, digest, known)
              } else {
                try Self.promote(client, known)
              }
            } catch { return }
          }
        }
      }
      usleep(UInt32.random(in: 20_000...400_000, using: &random))
      host.command.send(SIGKILL)
      _ = try host.command.wait()
      work.wait()
    }
    let (host, _) = try Self.started(folder)
    try check(host, known.withLock { $0 }, digest, "the end, seed \(seed)")
    let all = known.withLock { $0.versions.count }
    print("\(Self.rounds) kills, \(all) versions acknowledged, slowest start until ready \(slowest)")
    #expect(all > 1)
  }

  /// - Returns: The host, and how long it took to be ready.
  private static func started(_ folder: TemporaryFolder) throws -> (Host, Duration) {
    let began = ContinuousClock.now
    return (try Host(["--data", "\(folder.path)/data"], folder: folder), .now - began)
  }

  private static func push(
    _ client: StadionClient, _ label: String, _ model: [UInt8], _ digest: String, _ known: borrowing Mutex<Known>
  ) throws {
    let id = try client.beginUpload(byteCount: model.count, sha256: digest)
    known.withLock { $0.upload = (id, 0) }
    for offset in stride(from: 0, to: model.count, by: 50) {
      let piece = Array(model[offset..<min(offset + 50, model.count)])
      try client.upload(piece, to: id, at: offset)
      known.withLock { $0.upload = (id, offset + piece.count) }
    }
    // From here on the answer decides: it may be content already.
    known.withLock { $0.upload = nil }
    _ = try client.registry(
      "POST", "m", "versions",
      ["version": .string("v\(label)"), "files": [["path": "model.onnx", "upload": .string(id)]]])
    known.withLock { _ = $0.versions.insert("v\(label)") }
  }

  private static func promote(_ client: StadionClient, _ known: borrowing Mutex<Known>) throws {
    guard let label = known.withLock({ $0.versions.randomElement() }) else {
      // Fails once the host is gone.
      _ = try client.isReady()
      return
    }
    known.withLock { _ = $0.production.insert(label) }
    _ = try client.registry("POST", "m", "promote", ["version": .string(label)])
    known.withLock { $0.production = [label] }
  }

  /// Everything that was acknowledged is there, and nothing is there by half.
  private func check(_ host: Host, _ known: Known, _ digest: String, _ place: String) throws {
    let rows = try host.json("GET", "/v1/versions?limit=1000")["versions"]?.array ?? []
    let labels = Set(rows.compactMap { $0["version"]?.string })
    #expect(labels.isSuperset(of: known.versions), "\(place)")
    for label in labels {
      let files = try host.json("GET", "/v1/models/m/versions/\(label)")["files"]?.array ?? []
      #expect(files.map { $0["sha256"]?.string } == [digest], "\(place): \(label)")
    }
    let production = rows.filter { $0["stage"] == "production" }.compactMap { $0["version"]?.string }
    #expect(production.count <= 1 && known.production.isSuperset(of: production), "\(place): \(production)")
    if known.production.count == 1 && !known.production.isSubset(of: production) {
      // Its first promotion may have been the one that was under way.
      let promotions = try host.json("GET", "/v1/models/m/history?place=production")["history"]?.array ?? []
      #expect(promotions.isEmpty, "\(place)")
    }
    if !labels.isEmpty { #expect(try host.send("GET", "/v2/models/m").status == 200, "\(place): \(host.state)") }
    guard let upload = known.upload else { return }
    let offset = try host.send("HEAD", "/v1/uploads/\(upload.id)").header("upload-offset").flatMap { Int($0) }
    #expect(offset ?? -1 >= upload.offset, "\(place)")
  }

  /// What operators do while requests come, and the version that these name.
  enum Change: CaseIterable {
    case promote, archiveLatest, moveAlias, rollBack, purgeOthers
  }

  @Test(arguments: Change.allCases) func `changes of what is served fail no request`(change: Change) throws {
    let folder = TemporaryFolder()
    let host = try Host(["--data", "\(folder.path)/data"], folder: folder)
    for version in 1...3 {
      #expect(try host.stadion("model", "push", Setup.onnx("identity"), "m:\(version)").status == 0)
    }
    func act(_ path: String, _ body: JSONValue = [:], method: String = "POST") throws {
      _ = try host.client.registry(method, "m", path, body)
    }
    if change != .archiveLatest { try act("promote", ["version": "1"]) }
    if change == .rollBack { try act("promote", ["version": "2"]) }
    try act("aliases/best", ["version": "1"], method: "PUT")
    let isOver = Atomic<Bool>(false)
    let answers = Mutex<(good: Int, bad: [String])>((0, []))
    let work = DispatchGroup()
    let socket = host.socket
    let word = change == .archiveLatest ? "latest" : change == .moveAlias ? "best" : ""
    for _ in 0..<2 {
      work.enter()
      Thread.detachNewThread {
        defer { work.leave() }
        let client = StadionClient(.unix(path: socket), timeout: .seconds(20))
        let input = floats("INPUT0", [1, 16], Array(repeating: 1, count: 16))
        let model = word.isEmpty ? ModelID("m") : ModelID("m:\(word)")
        while !isOver.load(ordering: .relaxed) {
          do {
            _ = try client.infer(model, inputs: [input])
            answers.withLock { $0.good += 1 }
          } catch {
            answers.withLock { $0.bad.append("\(error)") }
          }
        }
      }
    }
    for turn in 0..<10 {
      switch change {
      case .promote:
        for version in ["2", "1"] { try act("promote", ["version": .string(version)]) }
      case .archiveLatest: for verb in ["archive", "restore"] { try act("versions/3/\(verb)") }
      case .moveAlias:
        for version in ["3", "1"] { try act("aliases/best", ["version": .string(version)], method: "PUT") }
      case .rollBack:
        try act("rollback")
        try act("promote", ["version": "2"])
      case .purgeOthers:
        for verb in ["archive", "purge"] { try act("versions/3/\(verb)") }
        if turn < 9 { #expect(try host.stadion("model", "push", Setup.onnx("identity"), "m:3").status == 0) }
      }
    }
    isOver.store(true, ordering: .relaxed)
    work.wait()
    let (good, bad) = answers.withLock { $0 }
    print("\(good) requests answered during changes: \(change)")
    #expect(bad == [] && good > 20)
  }
}

/// SplitMix64, so that a seed tells the test.
private struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
