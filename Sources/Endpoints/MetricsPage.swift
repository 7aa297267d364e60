import Admission
import Catalog
import Inference
import Routing
import Running
import Serving
import Synchronization
import Telemetry
import Tracing
import Wire

/// The text of `/metrics`, written and sent by the observing thread.
final class MetricsPage: BodyStream {
  private let text: MetricsText
  private let routes: Routes
  private let tenant: TenantID?

  /// Readings under way at most: a monitoring system is often run twice, and a person may look, too. A slow one delays
  /// no other, and each holds one block.
  static let limit = 4
  /// The lines of one histogram, unless names are very long.
  private static let histogramRoom = 4 * 1024

  /// - Parameter tenant: Who sees its own models and nothing else; nil for who sees all of the host.
  /// - Returns: Nil while as many as may be are under way.
  init?(_ text: MetricsText, _ routes: Routes, of tenant: TenantID?) {
    self.text = text
    self.routes = routes
    self.tenant = tenant
    guard observer.pageCount.wrappingAdd(1, ordering: .relaxed).oldValue < Self.limit else { return nil }
  }

  private var observer: Observer { routes.observer }

  deinit { observer.pageCount.wrappingSubtract(1, ordering: .relaxed) }

  func make(_ body: BodyWriter) async {
    await withTaskExecutorPreference(observer.threads) {
      let reading = observer.book.read(of: tenant)
      let table = routes.router.table
      // Requests' histograms first: they go out while the rest is gathered.
      guard await write(.request, reading, body), await write(preamble(table), body),
        await writeLoads(of: table, body)
      else { return }
      for stage in ServiceTimes.Stage.allCases.dropFirst() {
        guard await write(stage, reading, body) else { return }
      }
      guard await writeRows(reading, body) else { return }
      text.end(body.bytes)
      await body.send(isLast: true)
    }
  }

  /// Makes room for a few lines.
  ///
  /// - Returns: False if the reader has left.
  @inline(__always)
  private func makeRoom(_ body: BodyWriter) async -> Bool {
    guard body.bytes.count > BodyWriter.blockByteCount - Self.histogramRoom else { return true }
    return await body.send()
  }

  private func write(
    _ stage: ServiceTimes.Stage, _ reading: SeriesReading, _ body: BodyWriter
  ) async -> Bool {
    let family = Self.families[stage.rawValue]
    text.begin(family, body.bytes)
    for place in 0..<reading.placeCount {
      guard let cells = reading.cells(at: place) else { continue }
      guard await makeRoom(body) else { return false }
      let next = place + 1 < reading.placeCount ? reading.cells(at: place + 1) : nil
      text.histogram(family, cells, stage, body.bytes, next: next)
    }
    if tenant == nil && observer.book.refusedCount > 0 {
      text.histogram(family, observer.book.others.cells, stage, body.bytes)
    }
    return true
  }

  /// Of the models whose runs may have several.
  private func writeRows(_ reading: SeriesReading, _ body: BodyWriter) async -> Bool {
    text.begin(Self.rows, body.bytes)
    for place in 0..<reading.placeCount {
      guard let cells = reading.cells(at: place), cells.takesRows else { continue }
      guard await makeRoom(body) else { return false }
      text.rows(Self.rows, cells, body.bytes, next: place + 1 < reading.placeCount ? reading.cells(at: place + 1) : nil)
    }
    if tenant == nil && observer.book.refusedCount > 0 {
      guard await makeRoom(body) else { return false }
      text.rows(Self.rows, observer.book.others.cells, body.bytes)
    }
    return true
  }

  private func write(_ bytes: ByteBuffer, _ body: BodyWriter) async -> Bool {
    var sent = 0
    while sent < bytes.count {
      guard await makeRoom(body) else { return false }
      let count = min(BodyWriter.blockByteCount - body.bytes.count, bytes.count - sent)
      body.bytes.append(bytes.base + sent, count)
      sent += count
    }
    return true
  }

  /// What goes on in models now.
  private func writeLoads(of table: RoutingTable, _ body: BodyWriter) async -> Bool {
    // Their labels lie in the table.
    defer { withExtendedLifetime(table) {} }
    let loads = table.modelLoads(of: tenant)
    text.begin(Self.failures, body.bytes)
    for load in loads {
      guard let count = load.failures else { continue }
      guard await makeRoom(body) else { return false }
      text.sample(Self.failures, load.versionLabels, count, body.bytes)
    }
    text.begin(Self.active, body.bytes)
    for load in loads {
      guard await makeRoom(body) else { return false }
      text.sample(Self.active, load.labels, UInt64(load.running), body.bytes)
    }
    text.begin(Self.waiting, body.bytes)
    for load in loads {
      guard await makeRoom(body) else { return false }
      text.sample(Self.waiting, load.labels, UInt64(load.waiting), body.bytes)
    }
    return true
  }

  /// All that is short.
  private func preamble(_ table: RoutingTable) async -> ByteBuffer {
    let out = ByteBuffer(capacity: 64 * 1024)
    let writer = MetricsPreamble(text, out)
    let tenants = TenantMetrics(text, out, limit: observer.options.tenantLimit)
    tenants.quotas(routes.quotas.all.filter { tenant == nil || $0.tenant == tenant })
    if let catalog = routes.catalog {
      tenants.uploads(catalog.uploads.counts.filter { tenant == nil || $0.key == tenant })
      tenants.jobs(catalog.jobCounts.byTenant.filter { tenant == nil || $0.key == tenant })
    }
    guard tenant == nil else { return out }
    writer.host(version: routes.server.version, HostProcess())
    if let server = observer.server { writer.server(server) }
    writer.refused(routes.refused.totals)
    writer.runners(await routes.router.observeRunners(), table.runnerLoads)
    writer.series(observer.book)
    if let exporter = observer.tracer.exporter { writer.traces(exporter) }
    return out
  }

  private static let failures = MetricsText.Family(
    "stadion_request_failures", .counter, "Requests that could be read and weren't answered.")
  private static let active = MetricsText.Family("stadion_runs_active", .gauge, "Runs under way.")
  private static let waiting = MetricsText.Family(
    "stadion_runs_waiting", .gauge, "Requests that wait for a place in the runner.")

  private static let rows = MetricsText.Family(
    "stadion_batch_size", .histogram, "Rows of a run, where all inputs leave their first dimension open.")

  /// In the order of `ServiceTimes.Stage`. A host that batches will have one more, of the wait for others.
  private static let families: [MetricsText.Family] = [
    .init("stadion_request_seconds", .histogram, unit: "seconds", "Answered requests, from read to written."),
    .init("stadion_queue_seconds", .histogram, unit: "seconds", "Their wait for a place in the runner."),
    .init("stadion_compute_input_seconds", .histogram, unit: "seconds", "Reading their tensors."),
    .init("stadion_run_seconds", .histogram, unit: "seconds", "Their runs."),
    .init("stadion_compute_output_seconds", .histogram, unit: "seconds", "Writing their answers' tensors."),
  ]
}
