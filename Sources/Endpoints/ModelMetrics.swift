import Routing
import Telemetry
import Wire

/// What `/metrics` says of models but for the histograms: three families, gathered on one walk.
struct ModelMetrics {
  private let text: MetricsText
  private let failures = ByteBuffer(capacity: 64 * 1024)
  private let active = ByteBuffer(capacity: 64 * 1024)
  private let waiting = ByteBuffer(capacity: 64 * 1024)

  private static let failuresFamily = MetricsText.Family(
    "stadion_request_failures", .counter, "Requests that could be read and weren't answered.")
  private static let activeFamily = MetricsText.Family("stadion_runs_active", .gauge, "Runs under way.")
  private static let waitingFamily = MetricsText.Family(
    "stadion_runs_waiting", .gauge, "Requests that wait for a place in the runner.")

  init(_ text: MetricsText, _ table: RoutingTable) {
    self.text = text
    text.begin(Self.failuresFamily, failures)
    text.begin(Self.activeFamily, active)
    text.begin(Self.waitingFamily, waiting)
    table.forEachLoad { add($0) }
  }

  private func add(_ load: ModelLoad) {
    text.sample(Self.activeFamily, load.labels, UInt64(load.running), active)
    text.sample(Self.waitingFamily, load.labels, UInt64(load.waiting), waiting)
    if let count = load.failures { text.sample(Self.failuresFamily, load.versionLabels, count, failures) }
  }

  func write(to out: ByteBuffer) {
    for part in [failures, active, waiting] { out.append(part.bytes) }
  }
}
