import Inference
import Routing
import Running
package import Serving
import Synchronization
import Telemetry
import Threads
package import Tracing

/// What is told of each request, and what `/metrics` is written from. Any thread.
package final class Observer: Sendable {
  package struct Options: Sendable {
    /// Whether histograms are kept and `/metrics` is served. The protocol's statistics are kept in any case.
    package var metrics = true
    /// Histograms at most: one set for each model version, runner, device and tenant.
    package var seriesLimit = 10_000
    /// Tenants that are told apart at most.
    package var tenantLimit = 1000
    /// Requests that take longer from first to last byte are logged; 0 = none.
    package var slowRequestMs = 0

    package init() {}
  }

  let options: Options
  let book: SeriesBook
  let tracer: Tracer
  let slow: SlowRequests
  /// Gathers what `/metrics` shows: reading files and walking through thousands of models is nothing for a loop.
  let threads = RunThreads(name: "observe", limit: 1, isBackground: true)

  /// Readings of `/metrics` under way.
  let pageCount = Atomic<Int>(0)

  private struct WeakServer: Sendable { weak var server: HTTPServer? }
  private let attached = Mutex(WeakServer())

  package init(_ options: Options = Options(), tracer: Tracer = Tracer()) {
    self.options = options
    self.tracer = tracer
    slow = SlowRequests(limitMs: options.slowRequestMs)
    book = SeriesBook(limit: options.seriesLimit, tenantLimit: options.tenantLimit)
  }

  deinit { threads.end() }

  /// The server is made after its handler.
  package func attach(_ server: HTTPServer) { attached.withLock { $0.server = server } }

  var server: HTTPServer? { attached.withLock { $0.server } }

  /// A request has an answer, which is yet to be sent.
  @inline(__always)
  func answered(
    _ exchange: Exchange, by model: LoadedModel, _ served: ServedVersion, _ answer: ModelStatistics.Answer
  ) {
    served.statistics.add(answer)
    if options.metrics { cells(of: model, served).add(answer) }
    if tracer.isOn || slow.isOn { follow(exchange, model, served, answer) }
  }

  @inline(__always)
  private func cells(of model: LoadedModel, _ served: ServedVersion) -> SeriesCells {
    model.times.cells ?? find(model, served)
  }

  @inline(never)
  private func find(_ model: LoadedModel, _ served: ServedVersion) -> SeriesCells {
    model.times.storeIfNil(served.statistics.series.times(served.labels(of: model), in: book))
  }
}
