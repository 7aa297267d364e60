import Inference
import Routing
import Running
import Synchronization
import Telemetry
import Wire

/// What `/metrics` says of models but for the histograms, gathered on one walk: with thousands of models, what takes time
/// is to fetch each of them from memory.
struct ModelMetrics {
  private let text: MetricsText
  private let failures = ByteBuffer(capacity: 64 * 1024)
  private let active = ByteBuffer(capacity: 64 * 1024)
  private let waiting = ByteBuffer(capacity: 64 * 1024)
  var series: [ServiceTimes] = []
  private(set) var loads = RunnerLoads()

  private static let failuresFamily = MetricsText.Family(
    "stadion_request_failures", .counter, "Requests that could be read and weren't answered.")
  private static let activeFamily = MetricsText.Family("stadion_runs_active", .gauge, "Runs under way.")
  private static let waitingFamily = MetricsText.Family(
    "stadion_runs_waiting", .gauge, "Requests that wait for a place in the runner.")

  init(_ text: MetricsText) {
    self.text = text
    text.begin(Self.failuresFamily, failures)
    text.begin(Self.activeFamily, active)
    text.begin(Self.waitingFamily, waiting)
  }

  mutating func add(_ served: ServedVersion) {
    served.statistics.series.append(to: &series)
    for (index, model) in served.instances.enumerated() {
      // As the model's histograms have them, where there are any.
      let times = model.times.load().flatMap { $0.isOthers ? nil : $0 }
      let labels = times?.labelText ?? served.labels(of: model).text
      text.sample(Self.activeFamily, labels, UInt64(model.gate.runningCount), active)
      text.sample(Self.waitingFamily, labels, UInt64(model.gate.waitingCount), waiting)
      loads.count(model)
      guard index == 0 else { continue }
      let version =
        times?.versionText ?? served.labels(of: model).versionText
      text.sample(Self.failuresFamily, version, served.statistics.fail.count, failures)
    }
  }

  func write(to out: ByteBuffer) {
    for part in [failures, active, waiting] { out.append(part.bytes) }
  }
}
