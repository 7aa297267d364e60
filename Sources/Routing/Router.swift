import CLinux
package import Inference
package import Manifests
import Registry
package import Running
import Synchronization
import Telemetry
import Threads

/// Which runner serves which model: holds runners, their health and load, and what is loaded.
///
/// The choice itself is `RunnerChoice`, a pure function. Requests never come here: they read `table`, which is published
/// at each change. The actor has a thread of its own, where scanning folders may block.
package actor Router {
  package struct Options: Sendable {
    /// The local model repositories.
    package var modelRoots = ModelRoots()
    /// Where the registry puts folders `TENANT/NAME` of the models that are registered; nil for none.
    package var registryRoot: String?
    /// Whose models are served at the start.
    package var tenants: [TenantID] = [.standard]
    /// Longest run that stays on an event loop, in microseconds. design.md section 3: 200.
    package var inlineMicros = 200
    package var processes = ProcessOptions()
    /// Runs of all models at once; 0 = no limit.
    package var concurrentRuns = 0
    /// What part of the cores the runners of a tenant's models get, against other tenants' weights.
    package var weight: @Sendable (TenantID) -> Int = { _ in 1 }
    /// Where the memory of a tenant's models is counted; nil for nowhere.
    package var memoryBudget: @Sendable (TenantID) -> MemoryBudget? = { _ in nil }

    /// The registry's folder of a tenant's models.
    func registryFolder(of tenant: TenantID) -> String? { registryRoot.map { "\($0)/\(tenant)" } }

    package init() {}
  }

  /// One version, from the folder to the table.
  struct VersionState {
    enum Phase {
      case loading
      case ready(ServedVersion)
      case unavailable(String)
      /// Its runner's process has ended, and no other runner can have it now.
      case lost(String)
    }
    var entry: VersionEntry
    var phase: Phase
    /// Why `entry` isn't what is served, though an older form of it is.
    var problem: String?
    /// Its tenant's limit of memory, if that stands in the way.
    var overBudget: HostError?
    /// Counts go on where they were when a runner comes back.
    var statistics: ModelStatistics?
    /// The runner that would have it, had its process not ended.
    var displacedFrom: String?
    /// What clients know of `entry` in its present form: other runners than that one must take and give the same.
    var contract: Contract?
    /// Loads that ended a runner's process, since `entry` has its present form.
    var fatalLoads: [FatalLoad] = []

    var served: ServedVersion? {
      guard case .ready(let version) = phase else { return nil }
      return version
    }

    /// It is tried again, though its load has ended a process.
    var isSuspect: Bool { !fatalLoads.isEmpty && served == nil }

    /// It was served, or nearly, and will be when a runner's process is there again.
    var isComingBack: Bool {
      switch phase {
      case .lost: true
      case .loading: displacedFrom != nil
      case .ready, .unavailable: false
      }
    }

    /// Why it, or its newest form, isn't served; nil if it is.
    var reason: String? {
      switch phase {
      case .ready: problem
      case .unavailable(let reason), .lost(let reason): reason
      case .loading: "another change is under way"
      }
    }
  }

  struct FatalLoad {
    let path: String
    let reason: String
  }

  struct ModelState {
    var entry: ModelEntry
    /// By version number.
    var versions: [Int: VersionState] = [:]
    /// An operator has unloaded it: it stays so until told otherwise.
    var isHeld = false
    /// What the versions were loaded with; `entry` may hold what can't be used.
    var settings: ModelSettings?
    /// What requests may call its versions, once those serve.
    var registered: RegisteredModel?
  }

  nonisolated let options: Options
  /// Where runs of all models wait: as many as each model's own gate lets through.
  nonisolated let sharedGate: RunGate?
  /// Folders that hold models, or will, and how many levels are between: the tenant, and its `models`.
  package nonisolated var modelFolders: [(root: String, levels: Int)] {
    [options.modelRoots.standard.map { ($0, 0) }, options.modelRoots.tenants.map { ($0, 2) }].compactMap(\.self)
  }
  var runners: [RunnerState] = []
  /// Where the runners of each tenant's own models stand in `runners`; of nil, those for models of all.
  var places: [TenantID?: [Int]] = [:]
  var runsInFlight = RunsInFlight()
  /// By `ModelKey`, as all that is called a name here.
  var models: [String: ModelState] = [:]
  /// What the registry says of its models, by `ModelKey`.
  var registered: [String: RegisteredModel] = [:]
  /// Whose models are served.
  var tenants: Set<TenantID>
  /// The last change of each model; the next one waits for it.
  var changes: [String: Task<Void, Never>] = [:]
  /// What the last search for manifests has led to; the next one waits for it.
  var lastUpdate: Task<Leaving, Never>?
  /// What has become of runners, also of those that were replaced.
  var histories: [RunnerKey: RunnerHistory] = [:]

  nonisolated let trialPlaces = Places(max(2, Int(linux_cpu_count())))
  /// For runners that are being opened: a thousand tenants' processes at once would all be late.
  nonisolated let openingPlaces = Places(4 * max(2, Int(linux_cpu_count())))
  nonisolated let found: Mutex<ManifestSearch.Result>
  private nonisolated let published = Mutex(RoutingTable())
  private nonisolated let isStarted = Mutex(false)
  private nonisolated let thread = RunThreads(name: "router", limit: 1)

  package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  package init(manifests: ManifestSearch.Result, options: Options) {
    found = Mutex(manifests)
    tenants = Set(options.tenants)
    self.options = options
    sharedGate = options.concurrentRuns > 0 ? RunGate(limit: options.concurrentRuns, queueLimit: .max) : nil
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
    // Thousands of loads beside each other leave as much memory behind as their models keep.
    linux_trim_memory()
    isStarted.withLock { $0 = true }
  }

  /// Ends the processes of all runners, after the last run of each model.
  package func stop() async {
    await withTaskGroup(of: Void.self) { group in
      for state in runners { group.addTask { await state.runner.stop() } }
    }
  }

  /// Makes the present state of all models visible to requests.
  func publish() {
    let table = RoutingTable(models.map { $1.published(as: $0) })
    published.withLock { $0 = table }
  }

  /// The same of one model, whose change touches no other.
  func publish(_ name: String) {
    let model = models[name]?.published(as: name)
    published.withLock { $0 = $0.replacing(name, with: model) }
  }
}

extension Router.ModelState {
  /// What requests see of it.
  func published(as name: String) -> RoutingTable.Model {
    let served = versions.sorted { $0.key > $1.key }.compactMap(\.value.served)
    let reason = isHeld ? "unloaded" : firstProblem ?? "loading"
    let isComingBack = !isHeld && versions.values.contains(where: \.isComingBack)
    return RoutingTable.Model(
      key: name, name: ModelKey.name(of: name), versions: served, reason: reason, isComingBack: isComingBack,
      preferred: registered?.preferred, words: registered?.words ?? [])
  }

  /// Why its highest version isn't served.
  var firstProblem: String? {
    if let problem = entry.settingsProblem { return problem }
    for (_, version) in versions.sorted(by: { $0.key > $1.key }) {
      switch version.phase {
      case .unavailable(let reason), .lost(let reason): return reason
      case .loading, .ready: continue
      }
    }
    return versions.isEmpty ? "its folder has no version" : nil
  }
}
