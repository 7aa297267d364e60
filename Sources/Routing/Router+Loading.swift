package import Inference
import Registry
import Running
import Telemetry

extension Router {
  // MARK: The model folder

  /// Looks at the model folder again and serves what it says: new versions come, gone ones go, failures leave what runs.
  ///
  /// - Parameter retriesFailures: Tries again what has failed before, as after a new runner has come.
  package func rescan(retriesFailures: Bool = false) async {
    guard !options.modelRoots.all.isEmpty || options.registryRoot != nil else { return }
    var names = Set(models.keys).union(registered.keys)
    for tenant in tenants { names.formUnion(found(of: tenant)) }
    await reconcileFirmly(names, retriesFailures: retriesFailures)
    await reconcileSuspects(names, retriesFailures: retriesFailures)
  }

  /// Keys of the models in a tenant's own folder.
  private func found(of tenant: TenantID) -> [String] {
    guard let root = options.modelRoots.root(of: tenant) else { return [] }
    let scan = ModelFolder.scan(root: root)
    for problem in scan.problems where problem != "" {
      Log.debug("skipped in the model folder", ("problem", problem))
    }
    return scan.models.map { ModelKey.text(tenant, $0.name) }
  }

  /// Serves the models of these tenants and of no others.
  ///
  /// - Parameter known: Asked here, so that of two changes at once the newer stays.
  package func serve(_ known: @Sendable () -> [TenantID]) async {
    let tenants = known()
    let changed = self.tenants.symmetricDifference(tenants)
    self.tenants = Set(tenants)
    var names = Set((Array(models.keys) + registered.keys).filter { changed.contains(ModelKey.tenant(of: $0)) })
    for tenant in changed where self.tenants.contains(tenant) { names.formUnion(found(of: tenant)) }
    await reconcileFirmly(names)
    await reconcileSuspects(names)
    for tenant in changed where !self.tenants.contains(tenant) { await endRunners(of: tenant) }
  }

  /// Brings models to what their folders say, but for versions whose load has ended a process.
  func reconcileFirmly(_ names: some Sequence<String>, retriesFailures: Bool = false) async {
    // Beside each other: a model that takes long to load, or whose last run never ends, holds up no other. But not all at
    // once: each holds 50 KB while it waits, and what models keep would come to lie between these.
    let window = Places(Self.loadsAtOnce)
    let clock = Task {
      while (try? await Task.sleep(for: Self.longLoad)) != nil { await window.widen() }
    }
    await withTaskGroup(of: Void.self) { group in
      for name in names.sorted() {
        await window.take()
        group.addTask {
          await self.serially(name) {
            await self.reconcile(name, retriesFailures: retriesFailures, sparesSuspects: true)
          }
          await window.give()
        }
      }
    }
    clock.cancel()
  }

  private static let loadsAtOnce = 64
  private static let longLoad = Duration.milliseconds(100)

  /// The rest of `names`, one at a time and when everything else is loaded: what ends a process again takes no other
  /// load with it, and can't have been ended by one.
  func reconcileSuspects(_ names: some Sequence<String>, retriesFailures: Bool = false) async {
    for name in names.sorted() where models[name]?.versions.values.contains(where: \.isSuspect) == true {
      await serially(name) { await self.reconcileSuspect(name, retriesFailures) }
    }
  }

  private func reconcileSuspect(_ name: String, _ retriesFailures: Bool) async {
    // Whoever gives a runner its models back comes here afterwards.
    let runners = places(for: ModelKey.tenant(of: name)).map { self.runners[$0] }
    guard !runners.contains(where: { $0.isComingBack || $0.isReturning }) else { return }
    await reconcile(name, retriesFailures: retriesFailures)
  }

  /// Loads a model on request, whatever it was before.
  ///
  /// - Throws: `.notFound` for a model that isn't in the folder, else why no wanted version could be loaded.
  package func load(_ name: String, of tenant: TenantID = .standard) async throws(HostError) {
    let key = ModelKey.text(tenant, name)
    await serially(key) {
      await self.hold(key, false)
      await self.reconcile(key, retriesFailures: true)
    }
    guard let state = models[key] else {
      throw HostError(.notFound, "failed to load '\(name)': no such model in the repository")
    }
    let wanted = state.entry.settings.wantedVersions(of: state.entry.versions)
    for version in wanted.reversed() {
      guard let reason = state.versions[version.number]?.reason else { continue }
      if let error = state.versions[version.number]?.overBudget { throw error }
      throw HostError(.invalidRequest, "failed to load '\(name)': \(reason)")
    }
    if wanted.isEmpty || state.entry.settingsProblem != nil {
      throw HostError(.invalidRequest, "failed to load '\(name)': \(state.firstProblem ?? "no version is wanted")")
    }
  }

  /// Stops serving a model until `load`. Requests under way are answered. Unknown models are fine.
  package func unload(_ name: String, of tenant: TenantID = .standard) async {
    let name = ModelKey.text(tenant, name)
    guard models[name] != nil else { return }
    hold(name, true)
    let retired = takeServed(name, reason: "unloaded") { _ in true }
    publish(name)
    await serially(name) {
      await self.retire(retired)
      // What a load that was under way has brought since.
      await self.retireServed(name)
    }
  }

  private func retireServed(_ name: String) async {
    guard models[name]?.isHeld == true else { return }
    let retired = takeServed(name, reason: "unloaded") { _ in true }
    publish(name)
    await retire(retired)
  }

  private func hold(_ name: String, _ isHeld: Bool) { models[name]?.isHeld = isHeld }

  /// Runs `change` after every earlier change of the same model.
  func serially(_ name: String, _ change: @escaping @Sendable () async -> Void) async {
    let previous = changes[name]
    let task = Task {
      await previous?.value
      await change()
    }
    changes[name] = task
    await task.value
    if changes[name] == task { changes[name] = nil }
  }

  private func remove(_ name: String) async {
    let retired = takeServed(name, reason: "its folder is gone") { _ in true }
    models[name] = nil
    publish(name)
    await retire(retired)
  }

  /// Brings one model to what its folder says now: the change may have waited long.
  ///
  /// - Parameter sparesSuspects: Leaves versions as they are whose load has ended a process.
  func reconcile(_ name: String, retriesFailures: Bool = false, sparesSuspects: Bool = false) async {
    var problems: [String] = []
    let tenant = ModelKey.tenant(of: name)
    let registered = self.registered[name]
    let root = registered == nil ? options.modelRoots.root(of: tenant) : options.registryFolder(of: tenant)
    guard tenants.contains(tenant), let root,
      var entry = ModelFolder.model(ModelKey.name(of: name), root: root, problems: &problems)
    else { return await remove(name) }
    if registered != nil { entry = entry.withAllVersions }
    entry.tenant = tenant
    models[name, default: ModelState(entry: entry)].entry = entry
    guard models[name]?.isHeld == false else { return }
    guard entry.settingsProblem == nil else {
      Log.warning("can't use a model's settings", ("model", name), ("reason", entry.settingsProblem ?? ""))
      publish(name)
      return
    }
    let settingsChanged = models[name]?.settings.map { $0 != entry.settings } ?? false
    models[name]?.settings = entry.settings
    let wanted = entry.settings.wantedVersions(of: entry.versions)
    let present = Set(entry.versions.map(\.number))
    var isComplete = true
    for version in wanted.reversed() {
      if sparesSuspects, isSuspect(version, of: name) {
        isComplete = false
        continue
      }
      let isServed = await bring(version, of: entry, reloads: settingsChanged, retries: retriesFailures)
      isComplete = isComplete && isServed
    }
    if !wanted.isEmpty && !isComplete && !hasServed(name, among: present) {
      // What is wanted doesn't work and nothing is left from before: an older version is better than none.
      for version in entry.versions.reversed() where !wanted.contains(where: { $0.number == version.number }) {
        if sparesSuspects, isSuspect(version, of: name) { continue }
        if await bring(version, of: entry, reloads: false, retries: retriesFailures) { break }
      }
    }
    let keep = Set(wanted.map(\.number))
    let retired = takeServed(name, reason: "superseded") { number in
      !present.contains(number) || (isComplete && !keep.contains(number))
    }
    for number in Array(models[name]?.versions.keys ?? [:].keys) where !present.contains(number) {
      models[name]?.versions[number] = nil
    }
    // Only now: what the words stood for before has been served until here.
    models[name]?.registered = registered
    for (number, version) in models[name]?.versions ?? [:] {
      let notice = registered?.notices[number] ?? []
      guard let served = version.served, served.notice != notice else { continue }
      models[name]?.versions[number]?.phase = .ready(served.saying(notice))
    }
    publish(name)
    await retire(retired)
  }

  private func isSuspect(_ version: VersionEntry, of name: String) -> Bool {
    guard let known = models[name]?.versions[version.number] else { return false }
    return known.entry == version && known.isSuspect
  }

  private func hasServed(_ name: String, among numbers: Set<Int>) -> Bool {
    models[name]?.versions.contains { numbers.contains($0.key) && $0.value.served != nil } ?? false
  }

  /// Takes versions out of service; requests that hold them go on.
  func takeServed(_ name: String, reason: String, _ isChosen: (Int) -> Bool) -> [ServedVersion] {
    var taken: [ServedVersion] = []
    for (number, version) in models[name]?.versions ?? [:] where isChosen(number) {
      if let served = version.served { taken.append(served) }
      models[name]?.versions[number]?.phase = .unavailable(reason)
      models[name]?.versions[number]?.contract = nil
    }
    return taken
  }

  /// Unloads after the last request has let go.
  func retire(_ versions: [ServedVersion]) async {
    for version in versions {
      for instance in version.instances { await instance.runner.unload(instance) }
      Log.info("unloaded a model", ("model", version.model), ("version", version.version))
    }
  }
}
