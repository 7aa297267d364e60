package import Wire

/// What a host says of itself at one moment; counts are since its start.
package struct HostSample: Sendable, Equatable {
  package struct Runner: Sendable, Equatable {
    package var id: String
    package var state: String
    package var models: Int
    package var restarts: Int
    package var crashes: Int
    package var residentBytes: Int
  }

  /// A model version on one runner and device.
  package struct Model: Sendable, Equatable {
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
    var key: [String] { [name, version, runner, device] }
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
        id: runner["id"]?.string ?? "", state: runner["state"]?.string ?? "", models: runner["models"]?.int ?? 0,
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
        name: model["model"]?.string ?? "", version: model["version"]?.string ?? "",
        runner: model["runner"]?.string ?? "", device: model["device"]?.string ?? "",
        running: model["running"]?.int ?? 0, waiting: model["waiting"]?.int ?? 0, failed: model["failed"]?.int ?? 0,
        latency: Dictionary(pairs) { $1 })
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

  package let now: HostSample
  package let seconds: Double
  /// Of one core.
  package let cpuShare: Double
  /// Of the time that all loops have.
  package let busyShare: Double
  /// Busiest first, then by name.
  package let models: [Model]

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
    self.models = models.sorted { one, other in
      let (asked, otherAsked) = (one.perSecond + one.failedPerSecond, other.perSecond + other.failedPerSecond)
      if asked != otherAsked { return asked > otherAsked }
      return one.now.key.lexicographicallyPrecedes(other.now.key)
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
