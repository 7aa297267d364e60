import Wire

/// Histograms of the stages of requests for one model version on one runner and device, for one tenant. Any thread.
///
/// A request adds to ten words by relaxed atomic additions, without a lock: 27 ns where its cache lines are at hand
/// (2 million in a row on one core); more while another event loop adds to the same ones. A run of several rows adds to
/// two more.
package final class ServiceTimes: Sendable {
  /// What is counted, in the order of a request.
  package enum Stage: Int, Sendable, CaseIterable {
    /// From the whole request's arrival to its answer, less the time that writing it takes.
    case request
    /// Waiting for a place in the runner.
    case queue
    /// Reading the request's tensors.
    case computeInput
    case run
    /// Writing the answer's tensors.
    case computeOutput
  }

  package let labels: SeriesLabels
  /// It sums what has no series of its own.
  package let isOthers: Bool
  /// For as long as this lives.
  package let cells: SeriesCells
  private let memory: SeriesMemory
  /// Told when this goes.
  private let book: SeriesBook?

  init(_ labels: SeriesLabels, in memory: SeriesMemory, of book: SeriesBook?) {
    self.labels = labels
    self.memory = memory
    self.book = book
    isOthers = book == nil
    cells = memory.take(labels, isListed: book != nil)
  }

  deinit {
    memory.giveBack(cells)
    book?.seriesEnded(labels.tenant)
  }

  @inline(__always)
  package func add(_ answer: ModelStatistics.Answer) { cells.add(answer) }

  /// Requests by bucket of `TimeScale.fine`, and those that took longer.
  package var requestCounts: [UInt64] { (0..<SeriesCells.fineCount).map { cells.count(.request, $0) } }
}

/// What a series is told apart by.
package struct SeriesLabels: Sendable, Hashable {
  package let model: String
  package let version: String
  package let runner: String
  package let device: String
  /// Nil for the default tenant: the label is left out then.
  package let tenant: String?
  /// No label: whether runs may have several rows, so that these are counted, too.
  package let takesRows: Bool

  package init(
    model: String, version: String, runner: String, device: String, tenant: String? = nil, takesRows: Bool = false
  ) {
    self.takesRows = takesRows
    self.model = model
    self.version = version
    self.runner = runner
    self.device = device
    self.tenant = tenant
  }

  /// `model="…",version="…"`, and the tenant.
  package var versionText: [UInt8] {
    let out = ByteBuffer(capacity: 128)
    out.append("model=")
    out.append(label: model)
    out.append(",version=")
    out.append(label: version)
    if let tenant {
      out.append(",tenant=")
      out.append(label: tenant)
    }
    return Array(out.bytes)
  }

  /// What stands behind it.
  package var placeText: [UInt8] {
    let out = ByteBuffer(capacity: 128)
    out.append(",runner=")
    out.append(label: runner)
    out.append(",device=")
    out.append(label: device)
    return Array(out.bytes)
  }
}
