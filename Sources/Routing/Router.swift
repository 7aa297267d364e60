import Inference
package import Manifests
import Registry
package import Running
import Synchronization
import Telemetry

/// Which runner serves which model: holds runners, their health and load, and what is loaded.
///
/// The choice itself is `RunnerChoice`, a pure function. Requests never come here: they read `table`, which is published
/// at each change. The actor has a thread of its own, where scanning folders may block.
package actor Router {
  package struct Options: Sendable {
    /// The local model repository; nil for none.
    package var modelRoot: String?
    /// Longest run that stays on an event loop, in microseconds. design.md section 3: 200.
    package var inlineMicros = 200

    package init() {}
  }

  /// A runner and what is known of it.
  struct RunnerState {
    let runner: Runner
    var plugin: Plugin?
    /// Why it can't be used.
    var refusal: String?
    /// What an operator should know of it although it works.
    var remark: String?
    /// Its manifest has been taken away.
    var isGone = false

    init(_ manifest: RunnerManifest) {
      runner = Runner(manifest)
      // Outside the host's own process there is no way to run one yet; silently running it inside would break the
      // promise that its manifest makes.
      if manifest.isolation != .host {
        refusal =
          "asks for isolation \"process\", which this version can't give; \"isolation\": \"host\" runs it in the host"
      }
    }

    /// Why no further model goes to it.
    var reason: String? { isGone ? "its manifest is gone" : refusal }
  }

  /// One version, from the folder to the table.
  struct VersionState {
    enum Phase {
      case loading
      case ready(ServedVersion)
      case unavailable(String)
      case unloading
    }
    var entry: VersionEntry
    var phase: Phase
    /// Why `entry` isn't what is served, though an older form of it is.
    var problem: String?

    var served: ServedVersion? {
      guard case .ready(let version) = phase else { return nil }
      return version
    }

    /// Why it, or its newest form, isn't served; nil if it is.
    var reason: String? {
      switch phase {
      case .ready: problem
      case .unavailable(let reason): reason
      case .loading, .unloading: "another change is under way"
      }
    }
  }

  struct ModelState {
    var entry: ModelEntry
    /// By version number.
    var versions: [Int: VersionState] = [:]
    /// An operator has unloaded it: it stays so until told otherwise.
    var isHeld = false
    /// What the versions were loaded with; `entry` may hold what can't be used.
    var settings: ModelSettings?
  }

  nonisolated let options: Options
  package nonisolated var modelRoot: String? { options.modelRoot }
  var runners: [RunnerState]
  var models: [String: ModelState] = [:]
  /// The last change of each model; the next one waits for it.
  var changes: [String: Task<Void, Never>] = [:]

  nonisolated let found: Mutex<ManifestSearch.Result>
  private nonisolated let published = Mutex(RoutingTable())
  private nonisolated let isStarted = Mutex(false)
  private nonisolated let thread = RunThreads(name: "router", limit: 1)

  package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  package init(manifests: ManifestSearch.Result, options: Options) {
    found = Mutex(manifests)
    self.options = options
    runners = manifests.manifests.map { RunnerState($0) }
  }

  deinit { thread.end() }

  /// What the last search for manifests has found. Any thread.
  package nonisolated var manifests: ManifestSearch.Result { found.withLock { $0 } }

  /// What requests may be sent to now. Any thread.
  package nonisolated var table: RoutingTable { published.withLock { $0 } }

  /// True once everything that was there at the start has been loaded, or has failed to.
  package nonisolated var isReady: Bool { isStarted.withLock { $0 } }

  /// Loads what the model folder holds.
  package func start() async {
    await rescan()
    isStarted.withLock { $0 = true }
  }

  /// Makes the present state visible to requests.
  func publish() {
    let list = models.map { name, state in
      let served = state.versions.sorted { $0.key > $1.key }.compactMap(\.value.served)
      let reason = state.isHeld ? "unloaded" : state.firstProblem ?? "loading"
      return RoutingTable.Model(name: name, versions: served, reason: reason)
    }
    let table = RoutingTable(list)
    published.withLock { $0 = table }
  }

  // MARK: Runners

  /// Opens every runner that isn't yet, and says what is known of all.
  package func openedRunners() async -> [RunnerReport] {
    for index in runners.indices { await open(index) }
    return runners.filter { !$0.isGone }.map { state in
      let served = models.values.flatMap { model in
        model.versions.values.compactMap(\.served).filter { version in
          version.instances.contains { $0.runnerID == state.runner.id }
        }.map { "\($0.model):\($0.version)" }
      }
      return RunnerReport(
        manifest: state.runner.manifest, plugin: state.plugin, refusal: state.refusal, remark: state.remark,
        models: served.sorted())
    }
  }

  /// Opens runner `index`; a failure is kept as its refusal.
  func open(_ index: Int) async {
    let runner = runners[index].runner
    guard runners[index].plugin == nil, runners[index].reason == nil else { return }
    do throws(HostError) {
      let plugin = try await runner.open()
      if runners[index].runner === runner { runners[index].plugin = plugin }
    } catch {
      if runners[index].runner === runner { runners[index].refusal = error.description }
      Log.warning("refused a runner", ("runner", runners[index].runner.id), ("reason", error.description))
    }
  }

  /// Runners that may serve `format`, opened, as the choice wants them.
  func candidates(for format: String) async -> [RunnerCandidate] {
    for index in runners.indices where runners[index].runner.manifest.models.formats.contains(format) {
      await open(index)
    }
    return runners.map { state in
      let manifest = state.runner.manifest
      let load = models.values.reduce(0) { sum, model in
        sum
          + model.versions.values.compactMap(\.served).flatMap(\.instances)
          .filter { $0.runnerID == manifest.id }.reduce(0) { $0 + $1.gate.runningCount }
      }
      return RunnerCandidate(
        id: manifest.id, formats: manifest.models.formats,
        devices: state.plugin.map { $0.devices.map(\.kind) } ?? manifest.devices.map(\.kind),
        elementTypes: manifest.models.elementTypes, dynamicShapes: manifest.models.dynamicShapes,
        streams: manifest.models.streams, batching: manifest.models.batching,
        health: state.reason.map { .unavailable($0) } ?? .ready, priority: manifest.priority,
        score: state.plugin?.score ?? 100, load: load)
    }
  }
}

/// What operators see of a runner.
package struct RunnerReport: Sendable {
  package let manifest: RunnerManifest
  /// Nil if it couldn't be opened.
  package let plugin: Plugin?
  package let refusal: String?
  /// What else should be known of it.
  package let remark: String?
  /// `name:version` of what it serves.
  package let models: [String]
}

extension Router.ModelState {
  /// Why its highest version isn't served.
  var firstProblem: String? {
    if let problem = entry.settingsProblem { return problem }
    for (_, version) in versions.sorted(by: { $0.key > $1.key }) {
      if case .unavailable(let reason) = version.phase { return reason }
    }
    return versions.isEmpty ? "its folder has no version" : nil
  }
}
