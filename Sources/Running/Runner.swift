package import Inference
package import Manifests
import Synchronization
import Telemetry
import Threads

/// One runner: opened once, its control calls made one at a time on a thread of its own.
package actor Runner {
  package nonisolated let manifest: RunnerManifest
  /// Whose models it runs, and no others; nil for those of all.
  package nonisolated let tenant: TenantID?
  /// Told when the runner's process has ended though nobody wanted that. Called on a thread of its own.
  private nonisolated let onEnd: @Sendable (RunnerEnd) -> Void
  private nonisolated let options: ProcessOptions
  private nonisolated let control: RunThreads
  /// Where runs of its models go that are too long for an event loop. Of all: thousands of models need no more threads
  /// than there are runs at once.
  private nonisolated let threads: RunThreads
  private nonisolated let process = Atomic<Int32>(0)
  /// Processes that were to be started, and the last of them that ended though nobody wanted that.
  private nonisolated let starts = Atomic<Int>(0)
  private nonisolated let lastEnded = Atomic<Int>(0)

  /// Where it is, once it has been opened. Nil before, and after its process has ended.
  private var home: (any RunnerHome)?
  /// Why opening a library in the host has failed: it isn't asked twice.
  private var refusal: HostError?
  private var models: [LoadedModel] = []
  /// What part of the cores its process gets, against other tenants' weights.
  private var weight = 1
  /// No process is started any more.
  private var isStopped = false

  package nonisolated var unownedExecutor: UnownedSerialExecutor { control.asUnownedSerialExecutor() }
  package nonisolated var id: String { manifest.id }
  package nonisolated var key: RunnerKey { RunnerKey(id: manifest.id, tenant: tenant) }

  package init(
    _ manifest: RunnerManifest, of tenant: TenantID? = nil, options: ProcessOptions = ProcessOptions(),
    onEnd: @escaping @Sendable (RunnerEnd) -> Void = { _ in }
  ) {
    self.manifest = manifest
    self.tenant = tenant
    self.options = options
    self.onEnd = onEnd
    let word = manifest.id.split(separator: ".").last ?? ""
    control = RunThreads(name: "ctl-\(word)", limit: 1)
    threads = RunThreads(name: "run-\(word)", limit: Self.threadLimit)
  }

  deinit {
    control.end()
    threads.end()
  }

  /// As many as its process has.
  private static let threadLimit = 256

  /// Opens the runner if it isn't open: in a new process, or in the host, as its manifest says.
  ///
  /// - Throws: `.incompatibleRunner` for what can't be used; `.runnerFailed` when its process ended meanwhile.
  @discardableResult
  package func open() throws(HostError) -> RunnerFacts {
    if let home, !home.hasEnded { return home.facts }
    if let refusal { throw refusal }
    guard !isStopped else { throw HostError(.conflict, "runner \(id) has been stopped") }
    let opened: any RunnerHome
    switch manifest.isolation {
    case .process, .sharedProcess:
      let number = starts.wrappingAdd(1, ordering: .relaxed).newValue
      let started = try ProcessRunner(manifest, key, options) { [weak self, onEnd] end in
        self?.lastEnded.store(number, ordering: .releasing)
        onEnd(end)
      }
      process.store(started.processID, ordering: .relaxed)
      opened = started
    case .host:
      do {
        opened = try LocalRunner(manifest)
      } catch {
        refusal = error
        throw error
      }
    }
    home = opened
    if weight != 1 { opened.setWeight(weight) }
    let facts = opened.facts
    Log.info(
      "opened a runner", ("runner", id), ("tenant", key.tenantText), ("version", facts.version),
      ("score", String(facts.score)),
      ("isolation", manifest.isolation.rawValue))
    return facts
  }

  /// For the process that it has, and for those that come after.
  ///
  /// - Parameter weight: 1 or more.
  package func setWeight(_ weight: Int) {
    guard weight != self.weight else { return }
    self.weight = weight
    home?.setWeight(weight)
  }

  /// Where it is, while it is open.
  ///
  /// - Throws: `.overloaded`, as a process's end, if it isn't: only `open` starts a process, so that whoever owns the
  ///   runner decides when, and nothing is loaded behind a pause or a quarantine.
  private func openHome() throws(HostError) -> any RunnerHome {
    if let home, !home.hasEnded { return home }
    if let refusal { throw refusal }
    throw HostError(.overloaded, "runner \(id) isn't open; try again later", isProcessEnd: true)
  }

  package struct LoadRequest: Sendable {
    package let path: String
    /// What the file is, for people: a runner looks for itself.
    package let format: String
    package let device: DeviceKind
    package let options: [String: String]
    package let maxConcurrentRuns: Int?
    package let queueLimit: Int
    package let inlineMicros: Int
    /// What its memory is counted in; nil for nothing.
    package let memory: MemoryBudget?
    /// Of its files: it takes no less when it is loaded.
    package let byteCount: Int
    /// Where runs of all models wait for their turn; nil for nowhere.
    package let sharedGate: RunGate?
    /// It takes the place of what is loaded elsewhere, so its memory is counted but not refused.
    package var isMove = false

    package init(
      path: String, format: String = "", device: DeviceKind, options: [String: String], maxConcurrentRuns: Int? = nil,
      queueLimit: Int = 0, inlineMicros: Int = 0, memory: MemoryBudget? = nil, byteCount: Int = 0,
      sharedGate: RunGate? = nil
    ) {
      self.path = path
      self.format = format
      self.device = device
      self.options = options
      self.maxConcurrentRuns = maxConcurrentRuns
      self.queueLimit = queueLimit
      self.inlineMicros = inlineMicros
      self.memory = memory
      self.byteCount = byteCount
      self.sharedGate = sharedGate
    }
  }

  /// Loads a model into the runner, which must be open. Blocks the control thread, perhaps for seconds.
  ///
  /// - Throws: What the runner says; `.overloaded` when it isn't open any more; `.quotaExceeded` for want of memory in the
  ///   request's budget. Nothing is left behind then.
  package func load(_ request: LoadRequest) throws(HostError) -> LoadedModel {
    let home = try openHome()
    let devices = home.facts.devices
    guard let index = devices.firstIndex(where: { $0.kind == request.device }) else {
      throw HostError(.unsupported, "runner \(id) has no device \(request.device)")
    }
    if let limit = manifest.limits.models, models.count >= limit {
      throw HostError(.overloaded, "runner \(id) serves \(models.count) models, its manifest allows \(limit)")
    }
    let claim = try request.memory?.claim(request.byteCount, isFirm: request.isMove)
    let before = claim == nil ? 0 : unsharedBytes
    let (modelHome, signature) = try home.load(request, device: index)
    do throws(HostError) {
      // Beside runs of other models it is what the process has grown by, more or less.
      try claim?.change(to: max(request.byteCount, unsharedBytes - before))
    } catch {
      modelHome.unload()
      throw error
    }
    let runs = min(devices[index].maxConcurrentRuns, request.maxConcurrentRuns ?? .max)
    let placement = LoadedModel.Placement(
      threads: threads, gate: RunGate(limit: runs, queueLimit: request.queueLimit),
      place: RunPlace(inlineMicros: request.inlineMicros))
    let model = LoadedModel(
      modelHome, signature, request: request, runner: self, memory: claim, placement: placement)
    models.append(model)
    return model
  }

  /// Of the process that it is in.
  private nonisolated var unsharedBytes: Int {
    HostProcess.unsharedBytes(pid: manifest.isolation == .host ? "self" : String(processID ?? 0))
  }

  /// Unloads after the last run has ended.
  package func unload(_ model: LoadedModel) async {
    await model.drain()
    guard let index = models.firstIndex(where: { $0 === model }) else { return }
    models.remove(at: index)
    model.unload()
  }

  /// Unloads every model after its last run, then ends the runner's process for good.
  package func stop() async {
    isStopped = true
    while let model = models.first { await unload(model) }
    home?.stop()
    home = nil
  }

  /// Its last process has ended though nobody wanted that. Any thread.
  package nonisolated var hasEnded: Bool {
    lastEnded.load(ordering: .acquiring) == starts.load(ordering: .relaxed) && processID != nil
  }

  /// The process that it was last given; nil in the host, and before there was one. Any thread.
  package nonisolated var processID: Int32? {
    let number = process.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }
}
