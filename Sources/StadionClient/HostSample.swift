package import Wire

/// What a host says of itself at one moment; counts are since its start.
package struct HostSample: Sendable, Equatable {
  package struct Runner: Sendable, Equatable {
    package var id: String
    /// Whose models it runs, and no others; nil for those of all.
    package var tenant: String?
    package var state: String
    package var models: Int
    package var restarts: Int
    package var crashes: Int
    package var residentBytes: Int
  }

  /// Counts of a day, which begin anew with the next.
  package struct Tenant: Sendable, Equatable {
    package var id: String
    /// Requests under way.
    package var active: Int
    package var requests: Int
    package var refusals: Int
    package var computeNs: Int
  }

  /// A model version on one runner and device.
  package struct Model: Sendable, Equatable {
    package var tenant: String
    package var name: String
    package var version: String
    package var runner: String
    package var device: String
    package var running: Int
    package var waiting: Int
    package var failed: Int
    /// Requests by the upper bound of what they took, in nanoseconds; 0 stands for what is beyond the last bound.
    package var latency: [Int: Int]

    package var answered: Int { latency.values.reduce(0, +) }
    var key: [String] { [tenant, name, version, runner, device] }
  }

  package var version = ""
  package var timeNs = 0
  package var startedMs = 0
  package var cpuNs = 0
  package var residentBytes = 0
  package var connections = 0
  package var loopCount = 0
  package var busyNs = 0
  package var runners: [Runner] = []
  package var models: [Model] = []
  package var tenants: [Tenant] = []

  package init() {}

  /// Nil for what isn't `/v1/statistics` of a host.
  package init?(_ value: JSONValue) {
    guard let time = value["timeNs"]?.int, let runners = value["runners"]?.array, let models = value["models"]?.array
    else { return nil }
    timeNs = time
    version = value["version"]?.string ?? ""
    startedMs = value["startedMs"]?.int ?? 0
    cpuNs = value["cpuNs"]?.int ?? 0
    residentBytes = value["residentBytes"]?.int ?? 0
    connections = value["connections"]?.int ?? 0
    loopCount = value["loops"]?.array?.count ?? 0
    busyNs = (value["loops"]?.array ?? []).reduce(0) { $0 &+ ($1["busyNs"]?.int ?? 0) }
    self.runners = runners.map { runner in
      Runner(
        id: runner["id"]?.string ?? "", tenant: runner["tenant"]?.string, state: runner["state"]?.string ?? "",
        models: runner["models"]?.int ?? 0,
        restarts: runner["restarts"]?.int ?? 0, crashes: runner["crashes"]?.int ?? 0,
        residentBytes: runner["residentBytes"]?.int ?? 0)
    }
    self.models = models.map { model in
      let pairs = (model["latency"]?.array ?? []).compactMap { pair -> (Int, Int)? in
        guard let parts = pair.array, parts.count == 2, let bound = parts[0].int, let count = parts[1].int else {
          return nil
        }
        return (bound, count)
      }
      return Model(
        tenant: model["tenant"]?.string ?? "", name: model["model"]?.string ?? "",
        version: model["version"]?.string ?? "",
        runner: model["runner"]?.string ?? "", device: model["device"]?.string ?? "",
        running: model["running"]?.int ?? 0, waiting: model["waiting"]?.int ?? 0, failed: model["failed"]?.int ?? 0,
        latency: Dictionary(pairs) { $1 })
    }
    tenants = (value["tenants"]?.array ?? []).map { tenant in
      Tenant(
        id: tenant["id"]?.string ?? "", active: tenant["active"]?.int ?? 0, requests: tenant["requests"]?.int ?? 0,
        refusals: tenant["refusals"]?.int ?? 0, computeNs: tenant["computeNs"]?.int ?? 0)
    }
  }
}

/// What happened between two samples of one host.
package struct HostInterval: Sendable {
  package struct Model: Sendable {
    package let now: HostSample.Model
    package let perSecond: Double
    package let failedPerSecond: Double
    /// In nanoseconds; nil when nothing was answered.
    package let p50: Double?
    package let p99: Double?
  }

  package struct Tenant: Sendable {
    package let now: HostSample.Tenant
    package let perSecond: Double
    package let refusedPerSecond: Double
    /// Run time, in cores.
    package let runShare: Double
  }

  package let now: HostSample
  package let seconds: Double
  /// Of one core.
  package let cpuShare: Double
  /// Of the time that all loops have.
  package let busyShare: Double
  /// Busiest first, then by name.
  package let models: [Model]
  /// Those that use most run time first, then by name.
  package let tenants: [Tenant]

  package init(from before: HostSample, to now: HostSample) {
    self.now = now
    let elapsedNs = max(now.timeNs &- before.timeNs, 1)
    let seconds = Double(elapsedNs) / 1e9
    self.seconds = seconds
    cpuShare = Double(max(now.cpuNs &- before.cpuNs, 0)) / Double(elapsedNs)
    let busy = Double(max(now.busyNs &- before.busyNs, 0))
    busyShare = now.loopCount > 0 ? min(busy / Double(elapsedNs) / Double(now.loopCount), 1) : 0
    let known = Dictionary(before.models.map { ($0.key, $0) }) { first, _ in first }
    let models = now.models.map { model -> Model in
      let old = known[model.key]
      // A model that was loaded anew counts from zero.
      let isContinued = (old?.answered ?? 0) <= model.answered
      let latency = model.latency.compactMap { bound, count -> (bound: Int, count: Int)? in
        let fresh = count - (isContinued ? old?.latency[bound] ?? 0 : 0)
        return fresh > 0 ? (bound == 0 ? .max : bound, fresh) : nil
      }.sorted { $0.bound < $1.bound }
      let answered = latency.reduce(0) { $0 + $1.count }
      return Model(
        now: model, perSecond: Double(answered) / seconds,
        failedPerSecond: Double(max(model.failed - (old?.failed ?? 0), 0)) / seconds,
        p50: Self.quantile(0.5, latency, answered), p99: Self.quantile(0.99, latency, answered))
    }
    tenants = Self.tenants(before, now, seconds)
    self.models = models.sorted { one, other in
      let (asked, otherAsked) = (one.perSecond + one.failedPerSecond, other.perSecond + other.failedPerSecond)
      if asked != otherAsked { return asked > otherAsked }
      return one.now.key.lexicographicallyPrecedes(other.now.key)
    }
  }

  private static func tenants(_ before: HostSample, _ now: HostSample, _ seconds: Double) -> [Tenant] {
    let known = Dictionary(before.tenants.map { ($0.id, $0) }) { first, _ in first }
    let tenants = now.tenants.map { tenant -> Tenant in
      let old = known[tenant.id]
      // Below what it was: another day has begun.
      func added(_ count: (HostSample.Tenant) -> Int) -> Double {
        let former = old.map(count) ?? 0
        return Double(count(tenant) >= former ? count(tenant) - former : count(tenant))
      }
      return Tenant(
        now: tenant, perSecond: added(\.requests) / seconds, refusedPerSecond: added(\.refusals) / seconds,
        runShare: added(\.computeNs) / 1e9 / seconds)
    }
    return tenants.sorted { one, other in
      one.runShare != other.runShare ? one.runShare > other.runShare : one.now.id < other.now.id
    }
  }

  /// The bound below which `share` of the requests lie: buckets are a quarter wide, so it is at most that much too high.
  private static func quantile(_ share: Double, _ latency: [(bound: Int, count: Int)], _ total: Int) -> Double? {
    var below = 0
    for bucket in latency {
      below += bucket.count
      if Double(below) >= share * Double(total) { return Double(bucket.bound) }
    }
    return nil
  }
}
