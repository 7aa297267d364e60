import Routing
import Running
import Serving
import Synchronization
import Telemetry
import Tracing
import Wire

/// The text of `/metrics`, written by the observing thread while a loop sends it.
final class MetricsPage: BodyStream {
  private let text: MetricsText
  private let observer: Observer
  private let router: Router
  private let version: String

  /// Readings under way at most: a monitoring system is often run twice, and a person may look, too. A slow one delays
  /// no other, and all together hold four times the few blocks of one.
  static let limit = 4
  /// The lines of one histogram, unless names are very long.
  private static let histogramRoom = 4 * 1024

  /// - Returns: Nil while as many as may be are under way.
  init?(_ text: MetricsText, _ observer: Observer, _ router: Router, version: String) {
    self.text = text
    self.observer = observer
    self.router = router
    self.version = version
    guard observer.pageCount.wrappingAdd(1, ordering: .relaxed).oldValue < Self.limit else { return nil }
  }

  deinit { observer.pageCount.wrappingSubtract(1, ordering: .relaxed) }

  func make(_ blocks: BodyBlocks) async {
    await withTaskExecutorPreference(observer.threads) {
      guard var block = await blocks.next() else { return }
      let reading = observer.book.read()
      // Requests' histograms first: they go out while the rest is gathered.
      guard await write(.request, reading, blocks, &block), await write(preamble(), blocks, &block) else { return }
      for stage in ServiceTimes.Stage.allCases.dropFirst() {
        guard await write(stage, reading, blocks, &block) else { return }
      }
      text.end(block.bytes)
      blocks.send(block, isLast: true)
    }
  }

  /// - Returns: False if the reader has left.
  private func write(
    _ stage: ServiceTimes.Stage, _ reading: SeriesReading, _ blocks: BodyBlocks, _ block: inout BodyBlock
  ) async -> Bool {
    let family = Self.families[stage.rawValue]
    text.begin(family, block.bytes)
    for place in 0..<reading.placeCount {
      guard let cells = reading.cells(at: place) else { continue }
      if block.bytes.count > BodyBlock.byteCount - Self.histogramRoom {
        blocks.send(block)
        guard let next = await blocks.next() else { return false }
        block = next
      }
      text.histogram(family, cells, stage, block.bytes)
    }
    if observer.book.refusedCount > 0 { text.histogram(family, observer.book.others.cells, stage, block.bytes) }
    return true
  }

  private func write(_ bytes: ByteBuffer, _ blocks: BodyBlocks, _ block: inout BodyBlock) async -> Bool {
    var sent = 0
    while sent < bytes.count {
      if block.bytes.count > BodyBlock.byteCount - Self.histogramRoom {
        blocks.send(block)
        guard let next = await blocks.next() else { return false }
        block = next
      }
      let count = min(BodyBlock.byteCount - block.bytes.count, bytes.count - sent)
      block.bytes.append(bytes.base + sent, count)
      sent += count
    }
    return true
  }

  /// All that is short.
  private func preamble() async -> ByteBuffer {
    let table = router.table
    let out = ByteBuffer(capacity: 64 * 1024)
    let writer = MetricsPreamble(text, out)
    writer.host(version: version, HostProcess())
    if let server = observer.server { writer.server(server) }
    writer.runners(await router.observeRunners(), table.loads)
    ModelMetrics(text, table).write(to: out)
    writer.series(observer.book)
    if let exporter = observer.tracer.exporter { writer.traces(exporter) }
    return out
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
