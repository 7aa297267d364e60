import CLinux
import Glibc
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
  private var places: [TenantID?: [Int]] = [:]
  private var runsInFlight = RunsInFlight()
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
  private nonisolated let openingPlaces = Places(4 * max(2, Int(linux_cpu_count())))
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

  // MARK: Runners

  /// Makes the runners that a tenant's models may go to, once.
  func meetRunners(for tenant: TenantID) {
    for manifest in manifests.manifests {
      let scope = manifest.isolation == .process ? tenant : nil
      if scope != nil && !tenants.contains(tenant) { continue }
      let isKnown = places[scope, default: []].contains { runners[$0].runner.id == manifest.id }
      if !isKnown { meet(manifest, for: scope) }
    }
  }

  func meet(_ manifest: RunnerManifest, for tenant: TenantID?) {
    places[tenant, default: []].append(runners.count)
    runners.append(RunnerState(makeRunner(manifest, for: tenant)))
  }

  /// Where the runners stand that a tenant's models may go to.
  func places(for tenant: TenantID) -> [Int] { (places[nil, default: []] + places[tenant, default: []]).sorted() }

  func makeRunner(_ manifest: RunnerManifest, for tenant: TenantID?) -> Runner {
    let box = RunnerBox()
    let runner = Runner(manifest, of: tenant, options: processOptions(for: tenant)) { [weak self] end in
      Task { [weak self] in
        if let self, let runner = box.runner { await self.lost(runner, end) }
      }
    }
    box.runner = runner
    return runner
  }

  /// Tells the runners of a tenant's models what its weight is now.
  package func weigh(_ tenant: TenantID) {
    let weight = options.weight(tenant)
    for index in places[tenant, default: []] {
      let runner = runners[index].runner
      // Whoever loads a model now is told after that.
      Task { await runner.setWeight(weight) }
    }
  }

  package func weighAll() {
    for case let tenant? in places.keys { weigh(tenant) }
  }

  /// A process for one tenant's models may read the folders of these alone.
  private func processOptions(for tenant: TenantID?) -> ProcessOptions {
    var processes = options.processes
    if let tenant {
      let own = [options.modelRoots.ownFolder(of: tenant), options.registryRoot.map { "\($0)/\(tenant)" }]
      // What isn't there when a process is confined can't be read later either.
      for folder in ([options.registryRoot] + own).compactMap(\.self) { mkdir(folder, 0o755) }
      processes.modelRoots += own.compactMap(\.self)
      if tenant == .standard, let root = options.modelRoots.standard { processes.modelRoots.append(root) }
    } else {
      processes.modelRoots += options.modelRoots.all + [options.registryRoot].compactMap(\.self)
    }
    return processes
  }

  /// Lets a runner's closure name the runner.
  private final class RunnerBox: @unchecked Sendable {
    // @unchecked: set before the runner can start a process, read only after.
    weak var runner: Runner?
  }

  /// What is known of the runners that a tenant's models may go to. Opens none, as an engine costs a process and its
  /// memory; waits for those that are being opened.
  ///
  /// - Parameter withOthers: Also of those for other tenants' models that have been opened, or couldn't be.
  package func runnerReports(for tenant: TenantID = .standard, withOthers: Bool = false) async -> [RunnerReport] {
    meetRunners(for: tenant)
    let own = places(for: tenant)
    for index in own where runners[index].opening != nil { await open(index) }
    let others = withOthers ? runners.indices.filter { !own.contains($0) && runners[$0].word != "not opened" } : []
    return (own + others).map { runners[$0] }.filter { !$0.isGone }.map { report($0, for: tenant) }
  }

  /// The same of one, which is opened for it.
  ///
  /// - Throws: `.notFound`.
  package func runnerReport(_ id: String, for tenant: TenantID = .standard) async throws(HostError) -> RunnerReport {
    let index = try place(of: id, for: tenant)
    await open(index)
    return report(runners[index], for: tenant)
  }

  /// - Throws: `.notFound`.
  func place(of id: String, for tenant: TenantID) throws(HostError) -> Int {
    meetRunners(for: tenant)
    guard let index = places(for: tenant).first(where: { runners[$0].runner.id == id && !runners[$0].isGone }) else {
      throw HostError(.notFound, "no runner '\(id)'; `stadion runner list --all` names them")
    }
    return index
  }

  private func report(_ state: RunnerState, for tenant: TenantID) -> RunnerReport {
    let owner = state.runner.tenant ?? tenant
    let served = models.values.flatMap { model in
      model.versions.values.compactMap(\.served).filter { version in
        version.tenant == owner && version.instances.contains { $0.runnerID == state.runner.id }
      }.map { "\($0.model):\($0.version)" }
    }
    return RunnerReport(
      manifest: state.runner.manifest, tenant: state.runner.tenant, facts: state.facts, state: state.word,
      reason: state.reason ?? state.remark, processID: state.facts == nil ? nil : state.runner.processID,
      crashes: state.record.count, models: served.sorted()
    )
  }

  /// Opens runner `index`; a failure is kept as its refusal, unless trying again may help.
  func open(_ index: Int) async {
    // Again, if it was replaced meanwhile: whoever asks goes on with one that is known.
    while runners[index].facts == nil, runners[index].reason == nil {
      if let opening = runners[index].opening {
        await opening.value
        continue
      }
      let runner = runners[index].runner
      let task = Task {
        await self.open(runner, index)
        if self.runners[index].runner === runner { self.runners[index].opening = nil }
      }
      runners[index].opening = task
      await task.value
    }
  }

  private func open(_ runner: Runner, _ index: Int) async {
    guard runners[index].runner === runner else { return }
    if let tenant = runner.tenant { await runner.setWeight(options.weight(tenant)) }
    let stamp = LibraryStamp(runner.manifest.libraryPath)
    await openingPlaces.take()
    runners[index].record.startedNs = linux_now_ns()
    do throws(HostError) {
      let facts: RunnerFacts
      do throws(HostError) {
        facts = try await runner.open()
        await openingPlaces.give()
      } catch {
        await openingPlaces.give()
        throw error
      }
      guard runners[index].runner === runner, runners[index].health == .fine else { return }
      runners[index].facts = facts
      runners[index].stamp = stamp
      histories[runner.key, default: RunnerHistory()].starts += 1
    } catch {
      Log.warning(
        "refused a runner", ("runner", runner.id), ("tenant", runner.key.tenantText), ("reason", error.description))
      guard runners[index].runner === runner else { return }
      switch error.code {
      // Its process has ended, of which `lost` is told, too.
      case .runnerFailed where error.isProcessEnd:
        if runners[index].health == .fine { runners[index].health = .comingBack(error.description) }
      // No process could be started: nobody else will tell.
      case .overloaded where runner.manifest.isolation != .host:
        await lost(runner, RunnerEnd(reason: error.description))
      default: runners[index].refusal = error.description
      }
    }
  }

  /// Runners as the choice wants them, with what their manifests say of those that aren't open.
  private func candidates(_ places: [Int]) -> [RunnerCandidate] {
    let table = table
    let loads = runsInFlight.counts(modelCount: table.count) { table.runsInFlight }
    return places.map { runners[$0] }.map { state in
      let manifest = state.runner.manifest
      return RunnerCandidate(
        id: manifest.id, formats: manifest.models.formats,
        devices: state.facts.map { $0.devices.map(\.kind) } ?? manifest.devices.map(\.kind),
        elementTypes: manifest.models.elementTypes, dynamicShapes: manifest.models.dynamicShapes,
        streams: manifest.models.streams, batching: manifest.models.batching,
        health: state.candidateHealth, priority: manifest.priority,
        score: state.facts?.score ?? 100, load: loads[manifest.id] ?? 0)
    }
  }

  /// Runners in their order for a model.
  struct Ranked {
    let candidates: [RunnerCandidate]
    let ranking: RunnerChoice.Ranking
    fileprivate let runners: [Runner]

    func runner(of pick: RunnerChoice.Pick) -> Runner { runners[pick.candidate] }
  }

  /// Ranks a tenant's runners for `demand`. Only those are opened that may be the best: an engine costs a process and its
  /// memory.
  ///
  /// - Parameter isLeft: Picks that are still to be considered.
  func ranking(
    for demand: RunnerDemand, of tenant: TenantID, where isLeft: (RunnerChoice.Pick) -> Bool = { _ in true }
  ) async -> Ranked {
    while true {
      meetRunners(for: tenant)
      let places = places(for: tenant)
      let candidates = candidates(places)
      let all = RunnerChoice.ranked(among: candidates, for: demand)
      let ranking = RunnerChoice.Ranking(picks: all.picks.filter(isLeft), rejections: all.rejections)
      // What opening shows decides among these, and may take them out.
      let unopened = RunnerChoice.leaders(of: ranking, among: candidates, for: demand).map { places[$0] }.filter {
        runners[$0].facts == nil && runners[$0].reason == nil
      }
      if unopened.isEmpty {
        return Ranked(candidates: candidates, ranking: ranking, runners: places.map { runners[$0].runner })
      }
      for index in unopened { await open(index) }
    }
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
