import Glibc
package import Inference
package import Manifests
package import Running

/// A runner and what the router knows of it.
struct RunnerState {
  enum Health: Equatable {
    case fine
    /// Its process has ended and is started again after a pause.
    case comingBack(String)
    /// Its process has ended too often; it stays so until an operator says otherwise.
    case quarantined(String)
  }

  let runner: Runner
  /// What opening has shown; nil before, and while it isn't open.
  var facts: RunnerFacts?
  /// Why it can't be used.
  var refusal: String?
  /// What an operator should know of it although it works.
  var remark: String?
  /// Its manifest has been taken away.
  var isGone = false
  var health = Health.fine
  var record = CrashRecord()
  /// Under way: who wants it open waits for that, so that a library which ends its process does so once.
  var opening: Task<Void, Never>?
  /// Which file its library was when it was opened.
  var stamp: LibraryStamp?
  /// What was to take its place and couldn't.
  var rejected: Rejected?

  struct Rejected: Equatable {
    let manifest: RunnerManifest
    let stamp: LibraryStamp?
  }

  /// It is opened, and given the models that it had.
  var isReturning = false

  init(_ runner: Runner) { self.runner = runner }

  /// Its processes are divided among tenants as `manifest` says: another one of that runner takes its place.
  func mayBecome(_ manifest: RunnerManifest) -> Bool {
    runner.id == manifest.id && (runner.tenant != nil) == (manifest.isolation == .process)
  }

  /// It is that runner, for other tenants together or apart than `manifest` says: in another process, or in the host.
  func isDividedOtherwise(than manifest: RunnerManifest) -> Bool {
    runner.id == manifest.id && !isGone && !mayBecome(manifest)
  }

  var isComingBack: Bool {
    if case .comingBack = health { return true }
    return false
  }

  /// Why no model goes to it now; nil if it may.
  var reason: String? {
    if isGone { return "its manifest is gone" }
    if let refusal { return refusal }
    switch health {
    case .fine: return nil
    case .comingBack(let reason), .quarantined(let reason): return reason
    }
  }

  /// What the choice is told.
  var candidateHealth: RunnerCandidate.Health {
    guard let reason else { return .ready }
    return isGone || refusal != nil ? .refused(reason) : .unavailable(reason)
  }

  /// The word for it that operators see.
  var word: String {
    if refusal != nil { return "refused" }
    return switch health {
    case .fine: facts == nil ? "not opened" : "ready"
    case .comingBack: "restarting"
    case .quarantined: "quarantined"
    }
  }
}

/// How often a runner's process has ended by itself, and what follows from it. Times in nanoseconds of CLOCK_MONOTONIC.
struct CrashRecord: Equatable {
  private(set) var count = 0
  private var lastMinute: [UInt64] = []
  /// Ends in a row, each within a minute of the start before it.
  private var streak = 0
  /// When its process was last started.
  var startedNs: UInt64 = 0

  private static let minuteNs: UInt64 = 60_000_000_000

  /// Books an end.
  ///
  /// - Parameter isCrash: It counts towards quarantine. Clients that leave early may have a healthy process ended.
  /// - Returns: Milliseconds to wait before the next start; nil for quarantine.
  mutating func note(_ now: UInt64, _ options: ProcessOptions, isCrash: Bool = true) -> Int? {
    count += 1
    lastMinute = lastMinute.filter { now - $0 < Self.minuteNs } + (isCrash ? [now] : [])
    streak = now - min(startedNs, now) < Self.minuteNs ? streak + 1 : 1
    if isCrash && options.quarantineCrashes > 0 && lastMinute.count >= options.quarantineCrashes { return nil }
    return min(options.longestBackOffMs, options.backOffMs << min(streak - 1, 16))
  }

  /// Forgets what counts towards quarantine.
  mutating func forgive() {
    lastMinute = []
    streak = 0
  }
}

/// Tells a runner's library from the one that has taken its place, or its content; also its engine's.
struct LibraryStamp: Equatable {
  private struct File: Equatable {
    let device: UInt64
    let inode: UInt64
    let byteCount: Int
    let modifiedSeconds: Int
    let modifiedNanoseconds: Int
  }
  /// Nil for those that aren't there.
  private let files: [File?]

  init(_ manifest: RunnerManifest) {
    let engines = manifest.options.values.filter { $0.hasPrefix("/") && ($0.hasSuffix(".so") || $0.contains(".so.")) }
    files = ([manifest.libraryPath] + engines.sorted()).map { path in
      var info = stat()
      guard stat(path, &info) == 0 else { return nil }
      return File(
        device: UInt64(info.st_dev), inode: UInt64(info.st_ino), byteCount: Int(info.st_size),
        modifiedSeconds: info.st_mtim.tv_sec, modifiedNanoseconds: info.st_mtim.tv_nsec)
    }
  }
}

/// What operators see of a runner.
package struct RunnerReport: Sendable {
  package let manifest: RunnerManifest
  /// Whose models it runs, and no others; nil for those of all.
  package let tenant: TenantID?
  /// Nil if it isn't open.
  package let facts: RunnerFacts?
  /// `ready`, `not opened` (no model has asked for it yet), `refused`, `restarting` or `quarantined`.
  package let state: String
  /// Why it isn't ready, or what else should be known of it.
  package let reason: String?
  /// The process that runs it; nil in the host.
  package let processID: Int32?
  /// Ends of its process that nobody wanted, since the host has started.
  package let crashes: Int
  /// `name:version` of what it serves.
  package let models: [String]
}
