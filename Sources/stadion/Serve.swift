import CLinux
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
import Telemetry

/// `stadion serve`: the host, put together.
enum Serve {
  static let spec = CommandSpec(
    "stadion serve", "Start the host.",
    options: [
      .init("--socket", value: "PATH", help: "Unix socket to listen on (default: as clients look for it)."),
      .init("--listen", value: "HOST:PORT", help: "Also listen on TCP; a loopback address, with --anonymous."),
      .init("--anonymous", help: "Serve TCP callers without credentials, as the default tenant."),
      .init("--models", value: "DIR", help: "Model repository: NAME/VERSION/model.onnx and the like."),
      .init("--manifests", value: "PATH[:PATH]", isRepeated: true, help: "Runner manifests: these and nothing else."),
      .init("--runners", value: "GLOBS", help: "Use only runners whose id matches one of these, as onnx*,echo."),
      .init("--no-runners", value: "GLOBS", help: "Leave these runners out."),
      .init("--allow-writable-runners", help: "Accept runner files that others may change; warns at each start."),
      .init("--no-watch", help: "Don't watch models and manifests; load and unload by request only."),
      .init("--loops", value: "N", help: "Event loops (default: one per core)."),
      .init("--busy-poll-micros", value: "N", help: "Spin so long for the next request before sleeping (default: 0)."),
      .init("--inline-run-micros", value: "N", help: "Longest run that stays on an event loop (default: 200)."),
      .init("--runner-memory-bytes", value: "N", help: "Tensors under way per runner process (default: 4294967296)."),
      .init("--runner-spin-micros", value: "N", help: "Longest spin between host and runner process (default: 200)."),
      .init(
        "--kill-after-ms", value: "N", help: "Time for a cancelled run before its process is ended (default: 5000)."),
      .init("--open-timeout-ms", value: "N", help: "Time for a runner to open its library (default: 30000)."),
      .init("--restart-after-ms", value: "N", help: "Pause after a crash; doubles with each (default: 100)."),
      .init("--restart-at-most-ms", value: "N", help: "Longest such pause (default: 30000)."),
      .init("--quarantine-crashes", value: "N", help: "Crashes in a minute that end it; 0 = never (default: 5)."),
      .init("--max-connections", value: "N", help: "Further connections get 503 (default: 20000)."),
      .init("--max-body-bytes", value: "N", help: "Larger bodies get 413 (default: 268435456)."),
      .init("--max-total-body-bytes", value: "N", help: "Large bodies under way together; then 503 (default: 2 GiB)."),
      .init("--max-output-bytes", value: "N", help: "Larger outputs of one answer get 503 (default: 1073741824)."),
      .init("--max-header-bytes", value: "N", help: "Larger header sections get 431 (default: 65536)."),
      .init("--max-header-fields", value: "N", help: "More header fields get 431 (default: 200)."),
      .init("--max-request-line-bytes", value: "N", help: "Longer request lines get 414 (default: 16384)."),
      .init("--header-timeout-ms", value: "N", help: "Time for a header section; then 408 (default: 10000)."),
      .init("--progress-timeout-ms", value: "N", help: "Longest pause in a body or answer (default: 30000)."),
      .init("--idle-timeout-ms", value: "N", help: "Idle TCP connections end then; 0 = never (default: 90000)."),
      .init("--unix-idle-timeout-ms", value: "N", help: "The same on the Unix socket (default: 0)."),
      .init("--drain-timeout-ms", value: "N", help: "Time for requests in flight after SIGTERM (default: 30000)."),
      .init("--end-with-parent", help: "Be killed when the process that has started it ends; for tools."),
      .init("--log-level", value: "LEVEL", help: "debug, info, warning or error (default: info)."),
    ],
    details: """
      SIGTERM or Ctrl-C drains: no new connections, requests in flight are answered, then exit 0. A second one ends at once.
      """)

  static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    try setLogLevel(arguments)
    if arguments.has("--end-with-parent") { linux_end_with_parent() }
    let addresses = try addresses(arguments)
    let limits = try limits(arguments)
    raiseFileLimit(limits.connections)
    let signals = Signals()

    let loopCount = try arguments.integer("--loops", in: 1...256) ?? Int(linux_cpu_count())
    let busyPoll = try arguments.integer("--busy-poll-micros", in: 0...10_000) ?? 0
    let loops = (0..<loopCount).map { _ in EventLoop(busyPollMicros: busyPoll) }
    for (index, loop) in loops.enumerated() { loop.start(name: "loop-\(index)") }

    let search = try manifestSearch(arguments)
    let manifests = find(search)
    var options = try routerOptions(arguments)
    options.processes.controlGroup = controlGroup(manifests)
    let router = Router(manifests: manifests, options: options)
    let state = ServerState()
    let outputBytes = try arguments.integer("--max-output-bytes", in: 1...(1 << 40)) ?? 1 << 30
    let handler = HostHandler(
      router: router, name: "stadion", version: Stadion.version, outputByteLimit: outputBytes
    ) { state.isDraining }
    let server = HTTPServer(handler: handler, limits: limits, loops: loops)
    state.attach(server)
    for address in addresses {
      let bound = try server.listen(on: address)
      Log.info("listening", ("address", bound.description))
    }
    // Watched before it is scanned: nothing falls between.
    let watches = arguments.has("--no-watch") ? nil : Watches(search, router, on: loops[0])
    // Serving begins at once; readiness says when the models that were there are loaded.
    Task(executorPreference: loops[0]) {
      await router.start()
      Log.info("ready", ("models", String(router.table.count)))
    }
    signals.waitForFirst()
    Log.info("draining", ("connections", String(server.connectionCount)))
    watches?.stop()
    server.drain()
    if !signals.waitForSecond(or: server.drainedDescriptor, timeoutMs: limits.drainTimeoutMs) {
      Log.warning("ended before every request was answered", ("connections", String(server.connectionCount)))
      exit(1)
    }
    Log.info("stopped")
  }

  private static func setLogLevel(_ arguments: Arguments) throws {
    guard let word = arguments.value("--log-level") else { return }
    guard let level = Log.Level(name: word) else {
      throw UsageError("--log-level is debug, info, warning or error, not \"\(word)\"")
    }
    Log.level = level
  }

  private static func addresses(_ arguments: Arguments) throws -> [ListenAddress] {
    var socket = arguments.value("--socket")
    // Where clients look first.
    if socket == nil, case .unix(let path) = HostAddress.standard(exists: { _ in true }) { socket = path }
    var addresses: [ListenAddress] = []
    if let text = arguments.value("--listen") {
      guard arguments.has("--anonymous") else {
        throw UsageError("--listen needs --anonymous: nobody is authenticated on TCP yet")
      }
      guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
        throw UsageError("--listen wants HOST:PORT, not \"\(text)\"")
      }
      var host = String(text[..<colon])
      if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
      addresses.append(.tcp(host: host, port: port))
    } else if arguments.has("--anonymous") {
      throw UsageError("--anonymous goes with --listen HOST:PORT")
    }
    // Last, so that no socket file is left behind where TCP can't be had.
    addresses.append(.unix(path: socket ?? "/run/stadion.sock"))
    return addresses
  }

  private static func limits(_ arguments: Arguments) throws -> ServingLimits {
    var limits = ServingLimits()
    func set(_ option: String, _ range: ClosedRange<Int>, _ field: WritableKeyPath<ServingLimits, Int>) throws {
      if let value = try arguments.integer(option, in: range) { limits[keyPath: field] = value }
    }
    let milliseconds = 0...86_400_000
    try set("--max-connections", 1...1_000_000, \.connections)
    // zlib counts its input in 32 bits.
    try set("--max-body-bytes", 1...(1 << 31), \.bodyBytes)
    try set("--max-total-body-bytes", 1...(1 << 40), \.totalBodyBytes)
    try set("--max-header-bytes", 256...(1 << 20), \.headerBytes)
    try set("--max-header-fields", 8...10_000, \.headerFields)
    try set("--max-request-line-bytes", 64...(1 << 20), \.requestLineBytes)
    try set("--header-timeout-ms", milliseconds, \.headerTimeoutMs)
    try set("--progress-timeout-ms", milliseconds, \.progressTimeoutMs)
    try set("--idle-timeout-ms", milliseconds, \.idleTimeoutMs)
    try set("--unix-idle-timeout-ms", milliseconds, \.unixIdleTimeoutMs)
    try set("--drain-timeout-ms", milliseconds, \.drainTimeoutMs)
    return limits
  }

  private static func routerOptions(_ arguments: Arguments) throws -> Router.Options {
    var options = Router.Options()
    options.inlineMicros = try arguments.integer("--inline-run-micros", in: 0...1_000_000) ?? options.inlineMicros
    func set(_ option: String, _ range: ClosedRange<Int>, _ field: WritableKeyPath<ProcessOptions, Int>) throws {
      if let value = try arguments.integer(option, in: range) { options.processes[keyPath: field] = value }
    }
    let milliseconds = 1...86_400_000
    // Half of what an address space holds.
    try set("--runner-memory-bytes", (1 << 24)...(1 << 46), \.arenaBytes)
    try set("--runner-spin-micros", 0...10_000, \.spinMicros)
    try set("--kill-after-ms", milliseconds, \.killAfterMs)
    try set("--open-timeout-ms", milliseconds, \.openTimeoutMs)
    try set("--restart-after-ms", milliseconds, \.backOffMs)
    try set("--restart-at-most-ms", milliseconds, \.longestBackOffMs)
    try set("--quarantine-crashes", 0...1_000_000, \.quarantineCrashes)
    if let models = arguments.value("--models") {
      guard let path = realpath(models, nil) else {
        throw UsageError("--models \(models): \(String(cString: strerror(errno)))")
      }
      defer { free(path) }
      options.modelRoot = String(cString: path)
    }
    return options
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

  /// What `--manifests`, `--runners` and the environment say; verbs that start hosts of their own search as hosts do.
  static func manifestSearch(_ arguments: Arguments) throws -> ManifestSearch {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    guard linux_executable_path(&path, path.count) else { throw UsageError("can't tell where this executable lies") }
    let executable = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let folder = executable.lastIndex(of: "/").map { String(executable[..<$0]) } ?? "/"
    let given = arguments.values("--manifests")
    var search = ManifestSearch(
      hostFolder: folder, explicitPaths: given.isEmpty ? nil : given, environment: ProcessPrivileges.environment(),
      isPrivileged: ProcessPrivileges.areRaised)
    search.hostABI = SupportedABI.host
    search.wanted = arguments.value("--runners").map { $0.split(separator: ",").map(String.init) }
    search.unwanted = arguments.value("--no-runners").map { $0.split(separator: ",").map(String.init) } ?? []
    search.allowWritable = arguments.has("--allow-writable-runners")
    return search
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

  /// Each connection is a descriptor; a few more are for models and runners.
  private static func raiseFileLimit(_ connections: Int) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    let wanted = min(rlim_t(connections + 256), limit.rlim_max)
    guard limit.rlim_cur < wanted else { return }
    limit.rlim_cur = wanted
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
