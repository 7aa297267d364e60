import Synchronization
import Wire

/// Histograms of the stages of requests for one model version on one runner and device, for one tenant. Any thread.
///
/// A request adds to ten words by relaxed atomic additions, without a lock: 27 ns where its cache lines are at hand
/// (2 million in a row on one core); more while another event loop adds to the same ones.
package final class ServiceTimes: @unchecked Sendable {
  // @unchecked: the cells are atomic; all else is immutable.

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

    /// Shown with half as many buckets: of these, the order of magnitude says where a request's time went, and a page of
    /// metrics is mostly such lines.
    package var isInDecades: Bool { self != .request && self != .run }
  }

  /// `model="…",…` as it stands between the braces of each line.
  package let labelText: [UInt8]
  /// As much of it as names the model and its version.
  package let versionText: [UInt8]
  package let labels: SeriesLabels
  /// It sums what has no series of its own.
  package let isOthers: Bool
  private let cells: UnsafeMutablePointer<Atomic<UInt64>>
  /// Told when this goes.
  private let book: SeriesBook?

  /// Requests are counted finely, so that percentiles of a few seconds can be told; the stages as they are shown.
  private static let fineCount = TimeScale.fine.count + 1
  private static let coarseCount = TimeScale.coarse.count + 1
  private static let sums = fineCount + (Stage.allCases.count - 1) * coarseCount
  private static let cellCount = sums + Stage.allCases.count

  init(_ labels: SeriesLabels, in book: SeriesBook?) {
    self.labels = labels
    self.book = book
    isOthers = book == nil
    versionText = labels.versionText
    labelText = versionText + labels.placeText
    cells = .allocate(capacity: Self.cellCount)
    for index in 0..<Self.cellCount { (cells + index).initialize(to: Atomic(0)) }
  }

  deinit {
    cells.deinitialize(count: Self.cellCount)
    cells.deallocate()
    book?.seriesEnded()
  }

  @inline(__always)
  package func add(_ answer: ModelStatistics.Answer) {
    let request = answer.endNs - answer.startNs
    add(TimeScale.fineIndex.of(request), .request, request)
    add(Self.cell(.queue, answer.queueNs), .queue, answer.queueNs)
    add(Self.cell(.computeInput, answer.inputNs), .computeInput, answer.inputNs)
    add(Self.cell(.run, answer.runNs), .run, answer.runNs)
    add(Self.cell(.computeOutput, answer.outputNs), .computeOutput, answer.outputNs)
  }

  @inline(__always)
  private func add(_ cell: Int, _ stage: Stage, _ nanoseconds: UInt64) {
    cells[cell].wrappingAdd(1, ordering: .relaxed)
    cells[Self.sums + stage.rawValue].wrappingAdd(nanoseconds, ordering: .relaxed)
  }

  @inline(__always)
  private static func cell(_ stage: Stage, _ nanoseconds: UInt64) -> Int {
    start(of: stage) + TimeScale.coarseIndex.of(nanoseconds)
  }

  @inline(__always)
  private static func start(of stage: Stage) -> Int {
    stage == .request ? 0 : fineCount + (stage.rawValue - 1) * coarseCount
  }

  // MARK: Reading

  package func sumNs(_ stage: Stage) -> UInt64 { cells[Self.sums + stage.rawValue].load(ordering: .relaxed) }

  /// Gives the counts of all buckets that the stage is shown with, and of what is longer, to `body`.
  package func withCounts(_ stage: Stage, _ body: (UnsafeBufferPointer<UInt64>) -> Void) {
    let count = stage.isInDecades ? Self.coarseCount / 2 + 1 : Self.coarseCount
    let start = Self.start(of: stage)
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: count) { counts in
      counts.initialize(repeating: 0)
      if stage == .request {
        TimeScale.coarseOfFine.withUnsafeBufferPointer { places in
          for index in 0..<Self.fineCount { counts[places[index]] &+= cells[index].load(ordering: .relaxed) }
        }
      } else if stage.isInDecades {
        // 10 µs; 30 and 100 µs; 300 µs and 1 ms; …; 30 s and longer.
        for index in 0..<Self.coarseCount {
          counts[(index + 1) / 2] &+= cells[start + index].load(ordering: .relaxed)
        }
      } else {
        for index in 0..<count { counts[index] = cells[start + index].load(ordering: .relaxed) }
      }
      body(UnsafeBufferPointer(counts))
    }
  }

  /// Requests by bucket of `TimeScale.fine`, and those that took longer.
  package var requestCounts: [UInt64] { (0..<Self.fineCount).map { cells[$0].load(ordering: .relaxed) } }
}

/// What a series is told apart by.
package struct SeriesLabels: Sendable, Hashable {
  package let model: String
  package let version: String
  package let runner: String
  package let device: String
  /// Nil for the default tenant: the label is left out then.
  package let tenant: String?

  package init(model: String, version: String, runner: String, device: String, tenant: String? = nil) {
    self.model = model
    self.version = version
    self.runner = runner
    self.device = device
    self.tenant = tenant
  }

  package var text: [UInt8] { versionText + placeText }

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

  fileprivate var placeText: [UInt8] {
    let out = ByteBuffer(capacity: 128)
    out.append(",runner=")
    out.append(label: runner)
    out.append(",device=")
    out.append(label: device)
    return Array(out.bytes)
  }
}
