import Admission
import CLinux
import Catalog
import Configuration
import Confinement
import Endpoints
import Glibc
import Inference
import Manifests
import Registry
import Routing
import Running
import Serving
import StadionClient
import Store
import Telemetry

/// `stadion serve`: the host, put together.
enum Serve {
  static let spec = CommandSpec(
    "stadion serve", "Start the host.",
    options: ConfigurationOptions.options,
    details: """
      SIGTERM or Ctrl-C drains: no new connections, requests in flight are answered, then exit 0. A second one ends at once.
      """)

  static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let live = try LiveConfiguration(places: ConfigurationOptions.places(arguments))
    if arguments.has("--print-config") { return live.print(asJSON: arguments.has("--json")) }
    guard !arguments.has("--json") else { throw UsageError("--json goes with --print-config") }
    let settings = live.settings
    let addresses = try addresses(settings)
    let signals = Signals(reloads: live.hasFile)
    if settings.endsWithParent { linux_end_with_parent() }
    live.apply()

    let loopCount = settings.loops ?? Int(linux_cpu_count())
    let loops = (0..<loopCount).map { _ in EventLoop(busyPollMicros: settings.busyPollMicros) }
    for (index, loop) in loops.enumerated() { loop.start(name: "loop-\(index)") }

    let search = try manifestSearch(live.configuration)
    let manifests = find(search)
    var options = settings.router
    options.modelRoots.standard = try modelRoot(settings)
    options.processes.controlGroup = controlGroup(manifests)
    let admission = Admission(admissionOptions(settings), quotas: Quotas(settings.quota))
    let data = try settings.dataFolder.map { try DataFolder($0, for: admission) }
    if let data {
      options.modelRoots.tenants = data.tenantsPath
      options.registryRoot = Catalog.modelRoot(data: data.path)
      options.tenants = admission.table.tenants
    }
    let quotas = admission.quotas
    options.memoryBudget = { quotas.quota(of: $0).memory }
    options.weight = { quotas.quota(of: $0).weight }
    let router = Router(manifests: manifests, options: options)
    var registry = settings.catalog
    if !ProcessPrivileges.areRaised { registry.fetching.environment = ConfigurationOptions.environment() }
    let book = data.map { QuotaBook($0.database, quotas) }
    let catalog = try data.map { [registry] data in
      try Catalog(data: data.path, data.database, router, options: registry, quotas: quotas)
    }
    let state = ServerState()
    let observer = try Observing.observer(settings)
    let tenants = data.map { Tenants($0.database, admission) }
    let handler = HostHandler(
      router: router, admission: admission, tenants: tenants, catalog: catalog,
      name: "stadion", version: Stadion.version, outputByteLimit: settings.outputBytes, observer: observer,
      quotaBook: book
    ) { state.isDraining }
    let server = HTTPServer(handler: handler, limits: settings.limits, loops: loops)
    observer.attach(server)
    state.attach(server)
    live.whenChanged {
      server.limits = $0.limits
      handler.outputByteLimit = $0.outputBytes
      let hadMemory = quotas.defaults.loadedModelBytes
      quotas.defaults = $0.quota
      Task { await router.weighAll() }
      if hadMemory != $0.quota.loadedModelBytes { Task { await router.rescan(retriesFailures: true) } }
    }
    for address in addresses {
      let bound = try server.listen(on: address)
      Log.info("listening", ("address", bound.description))
    }
    // Watched before it is scanned: nothing falls between.
    let watches = settings.watches ? Watches(search, router, on: loops[0]) : nil
    // Serving begins at once; readiness says when the models that were there are loaded.
    Task(executorPreference: loops[0]) {
      if let catalog {
        do throws(HostError) {
          try await catalog.start()
        } catch {
          Log.warning("can't serve registered models", ("reason", error.description))
        }
      }
      await router.start()
      Log.info("ready", ("models", String(router.table.count)))
      if let catalog, catalog.isStarted {
        do throws(HostError) { try await catalog.resume() } catch {
          Log.warning("can't go on with registrations", ("reason", error.description))
        }
        await catalog.keepTidy()
      }
    }
    let saving = book.map { book in Task(executorPreference: loops[0]) { await book.run() } }
    let refused = admission.refused
    let noting = data.map { data in Task(executorPreference: loops[0]) { await refused.run(in: data.database) } }
    while case .reload(let uid, let pid) = signals.waitForNext() {
      let changes = live.reload()
      guard let tenants, !changes.isEmpty else { continue }
      let author = Author("uid:\(uid)", origin: "SIGHUP pid=\(pid)", requestID: "")
      Task(executorPreference: loops[0]) { await note(changes, by: author, in: tenants) }
    }
    Log.info("draining", ("connections", String(server.connectionCount)))
    watches?.stop()
    server.drain()
    let isDrained = signals.waitForSecond(
      or: server.drainedDescriptor, timeoutMs: live.settings.limits.drainTimeoutMs)
    saving?.cancel()
    noting?.cancel()
    if let data, let book {
      LastSave.wait { [database = data.database] in
        try? await book.save()
        try? await refused.save(in: database, isLast: true)
      }
    }
    if !isDrained {
      Log.warning("ended before every request was answered", ("connections", String(server.connectionCount)))
      Stadion.end(1)
    }
    observer.stop()
    Log.info("stopped")
  }

  private static func addresses(_ settings: HostSettings) throws -> [ListenAddress] {
    var socket = settings.socket
    // Where clients look first.
    if socket == nil, case .unix(let path) = HostAddress.standard(exists: { _ in true }) { socket = path }
    var addresses: [ListenAddress] = []
    if let text = settings.listen {
      guard settings.isAnonymous || settings.dataFolder != nil else {
        throw UsageError("--listen needs --data DIR, where API keys are, or --anonymous, which asks nobody")
      }
      guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
        throw UsageError("--listen wants HOST:PORT, not \"\(text)\"")
      }
      var host = String(text[..<colon])
      if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
      addresses.append(.tcp(host: host, port: port))
    } else if settings.isAnonymous {
      throw UsageError("--anonymous goes with --listen HOST:PORT")
    }
    // Last, so that no socket file is left behind where TCP can't be had.
    addresses.append(.unix(path: socket ?? "/run/stadion.sock"))
    return addresses
  }

  /// Without a database everybody is who they were before there was one: the socket's permissions decide.
  private static func admissionOptions(_ settings: HostSettings) -> Admission.Options {
    guard settings.dataFolder != nil else { return .open }
    return Admission.Options(
      ownerUID: geteuid(), unmappedRole: Role(rawValue: settings.unmappedRole),
      anonymousRole: settings.isAnonymous ? .infer : nil, knowsKeys: true)
  }

  private static func modelRoot(_ settings: HostSettings) throws -> String? {
    guard let folder = settings.modelFolder else { return nil }
    guard let path = realpath(folder, nil) else {
      throw UsageError("--models \(folder): \(String(cString: strerror(errno)))")
    }
    defer { free(path) }
    return String(cString: path)
  }

  /// The host's own control group, where some runner's limits ask for it and the system lets the host divide it.
  private static func controlGroup(_ found: ManifestSearch.Result) -> HostControlGroup? {
    let isWanted = found.manifests.contains { $0.limits.memoryBytes != nil || $0.limits.cpuPercent != nil }
    guard isWanted else { return nil }
    do throws(HostError) {
      return try HostControlGroup.prepare()
    } catch {
      Log.info(
        "runners get no control groups: private memory is limited per process, CPU time isn't",
        ("reason", error.description))
      return nil
    }
  }

  private static func manifestSearch(_ configuration: Configuration<HostSettings>) throws -> ManifestSearch {
    let settings = configuration.settings
    var search = try manifestSearch(settings.manifests)
    search.explicitOrigin = configuration.origin(of: "manifests").description
    search.wanted = settings.wantedRunners
    search.unwanted = settings.unwantedRunners ?? []
    search.allowWritable = settings.allowsWritableRunners
    return search
  }

  /// Where hosts look for manifests; verbs that start hosts of their own look there, too.
  ///
  /// - Parameter places: Instead of the usual ones.
  static func manifestSearch(_ places: [String]?) throws -> ManifestSearch {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    guard linux_executable_path(&path, path.count) else { throw UsageError("can't tell where this executable lies") }
    let executable = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let folder = executable.lastIndex(of: "/").map { String(executable[..<$0]) } ?? "/"
    var search = ManifestSearch(
      hostFolder: folder, explicitPaths: places, environment: ProcessPrivileges.environment(),
      isPrivileged: ProcessPrivileges.areRaised)
    search.hostABI = SupportedABI.host
    return search
  }

  private static func note(
    _ changes: [Configuration<HostSettings>.Change], by author: Author, in tenants: Tenants
  ) async {
    for change in changes {
      do throws(HostError) {
        try await tenants.note(
          author, "configuration.set", of: .standard, "\(change.key) \(change.new), before \(change.old)")
      } catch {
        Log.warning("a change isn't in the audit", ("key", change.key), ("reason", error.description))
      }
    }
  }

  /// Finds manifests; what is wrong with any of them is logged, and listed by `runner list --all`.
  private static func find(_ search: ManifestSearch) -> ManifestSearch.Result {
    let result = search.run()
    for problem in result.problems { Log.warning("refused a manifest", ("problem", problem.description)) }
    for remark in result.remarks {
      Log.write(remark.severity == .warning ? .warning : .info, { remark.description }, [])
    }
    return result
  }
}
