import Routing
import Running
import Serving
import Telemetry
import Tracing
import Wire

/// The text of `/metrics`: what is short is written when it is made, histograms part by part as they are sent.
final class MetricsPage: BodyStream, @unchecked Sendable {
  // @unchecked: made by one thread and then used by one loop.
  private let text: MetricsText
  private let preamble = ByteBuffer(capacity: 64 * 1024)
  private var sentCount = 0
  private let series: [ServiceTimes]
  private var stage = 0
  private var next = 0

  /// Keeps a loop for about 30 µs, half of which the kernel copies. Half as many bytes cost a long page a third more
  /// time, twice as many save none.
  private static let partBytes = 64 * 1024
  /// The lines of one histogram, unless names are very long.
  private static let histogramRoom = 4 * 1024

  /// Gathers everything but the histograms' values. Not on a loop.
  init(_ text: MetricsText, _ observer: Observer, _ router: Router, version: String) async {
    self.text = text
    var models = ModelMetrics(text)
    router.table.forEachVersion { models.add($0) }
    if observer.book.refusedCount > 0 { models.series.append(observer.book.others) }
    series = models.series
    let runners = await router.observeRunners()
    let writer = MetricsPreamble(text, preamble)
    writer.host(version: version, HostProcess())
    if let server = observer.server { writer.server(server) }
    writer.runners(runners, models.loads)
    models.write(to: preamble)
    writer.series(observer.book)
    if let exporter = observer.tracer.exporter { writer.traces(exporter) }
  }

  func next(into out: ByteBuffer) -> Bool {
    if sentCount < preamble.count {
      let count = min(Self.partBytes, preamble.count - sentCount)
      out.append(preamble.base + sentCount, count)
      sentCount += count
      return true
    }
    let limit = out.count + Self.partBytes - Self.histogramRoom
    while stage < ServiceTimes.Stage.allCases.count {
      let family = Self.families[stage]
      if next == 0 { text.begin(family, out) }
      while next < series.count {
        if out.count > limit { return true }
        let times = series[next]
        let kind = ServiceTimes.Stage.allCases[stage]
        times.withCounts(kind) {
          text.histogram(family, times.labelText, sumNs: times.sumNs(kind), out, $0, inDecades: kind.isInDecades)
        }
        next += 1
      }
      stage += 1
      next = 0
    }
    text.end(out)
    return false
  }

  /// In the order of `ServiceTimes.Stage`. A host that batches will have one more, of the wait for others.
  private static let families: [MetricsText.Family] = [
    .init("stadion_request_seconds", .histogram, unit: "seconds", "Answered requests, from read to written."),
    .init("stadion_queue_seconds", .histogram, unit: "seconds", "Their wait for a place in the runner."),
    .init("stadion_compute_input_seconds", .histogram, unit: "seconds", "Reading their tensors."),
    .init("stadion_run_seconds", .histogram, unit: "seconds", "Their runs."),
    .init("stadion_compute_output_seconds", .histogram, unit: "seconds", "Writing their answers' tensors."),
  ]
}
