import Admission
import Catalog
import Configuration
import Endpoints
import Routing
import Running
import Serving
import Telemetry

/// All that can be set in a host, with its defaults. What parts of the host own stands in their own types.
struct HostSettings: Sendable {
  var socket: String?
  var listen: String?
  var isAnonymous = false
  var endsWithParent = false
  var logLevel = "info"

  /// Role of users on the Unix socket whom no map names; `none` refuses them.
  var unmappedRole = "infer"

  var modelFolder: String?
  var dataFolder: String?
  var catalog = Catalog.Options()
  var manifests: [String]?
  var wantedRunners: [String]?
  var unwantedRunners: [String]?
  var allowsWritableRunners = false
  var watches = true

  var loops: Int?
  var busyPollMicros = 0
  var limits = ServingLimits()
  var outputBytes = 1 << 30
  var router = Router.Options()
  var quota = QuotaLimits()

  var observing = Observer.Options()
  var traceEndpoint: String?
  var traceShare = 0.01
}

/// Every key there is. To add one: a field with its default, above or in the type that uses it, and its line here; then
/// `make docs`. A group of its own may stand in a file of its own, as `HostSettings+Quotas.swift`, and in `all`.
extension HostSettings {
  typealias HostKey = Key<HostSettings>

  static let all: [HostKey] = host + tenants + models + storage + runners + serving + quotas + observing

  private static let day = 86_400_000

  private static let host: [HostKey] = [
    .text("socket", "PATH", \.socket, standard: "as clients look for it", "Unix socket to listen on."),
    .text(
      "listen", "HOST:PORT", \.listen, standard: "no TCP", "Also listen on TCP; a loopback address, with `anonymous`."),
    .bool("anonymous", \.isAnonymous, "Serve TCP callers without credentials, as the default tenant."),
    .bool("endWithParent", \.endsWithParent, "Be killed when the process that has started it ends; for tools."),
    .word(
      "logLevel", Log.Level.allCases.map(\.name), \.logLevel, reloads: true, "Least level of what is logged."),
    .bool(
      "watch", \.watches, "Watch models and manifests for changes; else load and unload by request only.",
      off: "Don't watch models and manifests; load and unload by request only."),
    .list(
      "manifests", "PATH[:PATH]", separator: ":", \.manifests, standard: "the usual folders",
      "Runner manifests, or folders of them: these and nothing else."),
  ]

  private static let tenants: [HostKey] = [
    .word(
      "tenants.unmapped", ["none", "infer", "publish", "admin"], \.unmappedRole, flag: "--unmapped-role",
      "With `data.folder`: what other users on the Unix socket may do in the default tenant.")
  ]

  private static let models: [HostKey] = [
    .text(
      "models.folder", "DIR", \.modelFolder, standard: "none", flag: "--models",
      "Model repository: NAME/VERSION/model.onnx and the like."),
    .text(
      "data.folder", "DIR", \.dataFolder, standard: "nothing is kept", flag: "--data",
      "What the host keeps: tenants, keys, registered models and its database."),
    .integer(
      "registry.maxFileBytes", 1...(1 << 46), \.catalog.fileBytes, "Larger files can't be uploaded."),
    .integer(
      "registry.uploadKeepMs", 1000...(365 * day), \.catalog.uploadKeepMs,
      "Uploads that nobody goes on with are forgotten after this."),
    .integer(
      "registry.maxUploads", 1...1_000_000, \.catalog.maxUploads, "Uploads of one tenant that are under way at most."),
  ]

  private static let runners: [HostKey] = [
    .list(
      "runners.only", "GLOBS", separator: ",", \.wantedRunners, standard: "all", flag: "--runners",
      "Use only runners whose id matches one of these, as onnx*,echo."),
    .list(
      "runners.except", "GLOBS", separator: ",", \.unwantedRunners, standard: "none", flag: "--no-runners",
      "Leave these runners out."),
    .bool(
      "runners.allowWritable", \.allowsWritableRunners, flag: "--allow-writable-runners",
      "Accept runner files that others may change; warns at each start."),
    .integer(
      "runners.inlineRunMicros", 0...1_000_000, \.router.inlineMicros, "Longest run that stays on an event loop."),
    .integer(
      "runners.concurrentRuns", 0...65_536, \.router.concurrentRuns,
      "Runs of all models at once; others wait their turn, which is fair between tenants. 0 = no limit."),
    // Half of what an address space holds.
    .integer(
      "runners.memoryBytes", (1 << 24)...(1 << 46), \.router.processes.arenaBytes, flag: "--runner-memory-bytes",
      "Tensors under way per runner process."),
    .integer(
      "runners.spinMicros", 0...10_000, \.router.processes.spinMicros, flag: "--runner-spin-micros",
      "Longest spin between host and runner process."),
    .integer(
      "runners.killAfterMs", 1...day, \.router.processes.killAfterMs,
      "Time for a cancelled run before its process is ended."),
    .integer(
      "runners.openTimeoutMs", 1...day, \.router.processes.openTimeoutMs, "Time for a runner to open its library."),
    .integer(
      "runners.restartAfterMs", 1...day, \.router.processes.backOffMs, "Pause after a crash; doubles with each."),
    .integer("runners.restartAtMostMs", 1...day, \.router.processes.longestBackOffMs, "Longest such pause."),
    .integer(
      "runners.quarantineCrashes", 0...1_000_000, \.router.processes.quarantineCrashes,
      "Crashes in a minute that end a runner; 0 = never."),
  ]

  private static let serving: [HostKey] = [
    .optionalInteger("serving.loops", 1...256, \.loops, standard: "one per core", "Event loops."),
    .integer(
      "serving.busyPollMicros", 0...10_000, \.busyPollMicros, "Spin so long for the next request before sleeping."),
    .integer(
      "serving.maxConnections", 1...1_000_000, \.limits.connections, reloads: true, "Further connections get 503."),
    .integer(
      "serving.maxNewConnections", 0...1_000_000, \.limits.newConnections, reloads: true,
      "Connections without a request of a known caller so far; beyond it the oldest of them ends. 0 = no limit."),
    .integer(
      "serving.maxTenantConnections", 0...1_000_000, \.limits.tenantConnections, reloads: true,
      "With `data.folder`: connections of one tenant; further ones get 429. 0 = no limit."),
    // zlib counts its input in 32 bits.
    .integer(
      "serving.maxBodyBytes", 1...(1 << 31), \.limits.bodyBytes, reloads: true,
      "Larger bodies, decoded ones too, get 413."),
    .integer(
      "serving.maxTotalBodyBytes", 1...(1 << 40), \.limits.totalBodyBytes, reloads: true,
      "Large bodies under way together; then 503."),
    .integer(
      "serving.maxTenantBodyBytes", 0...(1 << 40), \.limits.tenantBodyBytes, reloads: true,
      "With `data.folder`: large bodies of one tenant under way; then 429. 0 = no limit."),
    .integer(
      "serving.maxOutputBytes", 1...(1 << 40), \.outputBytes, reloads: true, "Larger outputs of one answer get 503."),
    .integer(
      "serving.maxHeaderBytes", 256...(1 << 20), \.limits.headerBytes, reloads: true,
      "Larger header sections get 431."),
    .integer("serving.maxHeaderFields", 8...10_000, \.limits.headerFields, "More header fields get 431."),
    .integer(
      "serving.maxRequestLineBytes", 64...(1 << 20), \.limits.requestLineBytes, reloads: true,
      "Longer request lines get 414."),
    .integer(
      "serving.headerTimeoutMs", 0...day, \.limits.headerTimeoutMs, reloads: true,
      "Time for a header section; then 408. 0 = no limit."),
    .integer(
      "serving.progressTimeoutMs", 0...day, \.limits.progressTimeoutMs, reloads: true,
      "Longest pause in a body or an answer. 0 = no limit."),
    .integer(
      "serving.minBodyBytesPerSecond", 0...(1 << 30), \.limits.bodyBytesPerSecond, reloads: true,
      "Bodies that come slower on average get 408. 0 = as slow as they like."),
    .integer(
      "serving.bodyGraceMs", 0...day, \.limits.bodyGraceMs, reloads: true, "For so long a body may be slower."),
    .integer(
      "serving.idleTimeoutMs", 0...day, \.limits.idleTimeoutMs, reloads: true,
      "Idle TCP connections end then. 0 = never."),
    .integer(
      "serving.unixIdleTimeoutMs", 0...day, \.limits.unixIdleTimeoutMs, reloads: true, "The same on the Unix socket."),
    .integer(
      "serving.drainTimeoutMs", 0...day, \.limits.drainTimeoutMs, reloads: true,
      "Time for requests in flight after SIGTERM."),
  ]
}
