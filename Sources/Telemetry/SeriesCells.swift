import CLinux
import Glibc
import Synchronization

/// The memory of one set of histograms: its labels, and cells that any thread adds to.
///
/// All are of one size, so that they stand one beside the other; each part begins on a cache line of its own.
package struct SeriesCells: @unchecked Sendable {
  // @unchecked: the cells are atomic, and the rest doesn't change while anybody reads it (`SeriesMemory`).
  fileprivate let base: UnsafeMutableRawPointer

  private struct Head {
    /// Behind this head, or elsewhere if they are long.
    var labels: UnsafeMutableRawPointer
    var labelCount: Int
    /// As many of them name the model and its version.
    var versionCount: Int
    /// In the list of `SeriesMemory`.
    let index: Int
    /// Whether rows are counted.
    var takesRows: Bool
  }

  /// Requests are counted finely, so that percentiles of a few seconds can be told; the stages as they are shown.
  ///
  /// Numbers and not sums of counts: these are constants to the compiler, in what each request does.
  static let fineCount = 82
  static let coarseCount = 15
  private static let stageCount = 5

  private static let labelStart = MemoryLayout<Head>.size
  private static let sumStart = 192
  /// The first buckets of all stages but the request, where those of quick models are counted: one line instead of four.
  private static let lowStart = sumStart + lines(stageCount)
  private static let lowCount = 2
  private static let fineStart = lowStart + lines((stageCount - 1) * lowCount)
  private static let coarseStart = fineStart + lines(fineCount)
  private static let coarseStride = lines(coarseCount - lowCount)
  /// Runs of 2 rows, of 3 and 4, 5 to 8, up to 64, and of more; behind them the rows beyond one of each run.
  ///
  /// Runs of one row are all others: those of most models cost nothing here.
  private static let rowStart = coarseStart + (stageCount - 1) * coarseStride
  static let rowCount = 7
  static let byteCount = rowStart + lines(rowCount + 1)

  /// Bytes of so many cells, in whole cache lines.
  private static func lines(_ cellCount: Int) -> Int { (cellCount * MemoryLayout<UInt64>.size + 63) & ~63 }

  /// What begins there already.
  fileprivate init(known base: UnsafeMutableRawPointer) { self.base = base }

  /// - Parameter base: `byteCount` bytes, aligned to cache lines; they stay the caller's.
  init(at base: UnsafeMutableRawPointer, index: Int) {
    self.base = base
    memset(base, 0, Self.byteCount)
    (base + Self.sumStart).bindMemory(
      to: Atomic<UInt64>.self, capacity: (Self.byteCount - Self.sumStart) / MemoryLayout<UInt64>.stride)
    base.initializeMemory(
      as: Head.self,
      to: Head(labels: base + Self.labelStart, labelCount: 0, versionCount: 0, index: index, takesRows: false))
  }

  private var head: UnsafeMutablePointer<Head> { base.assumingMemoryBound(to: Head.self) }

  var index: Int { head.pointee.index }

  /// Takes labels, and counts from zero. Nobody reads it yet.
  func begin(version: [UInt8], place: [UInt8], takesRows: Bool) {
    head.pointee.takesRows = takesRows
    memset(base + Self.sumStart, 0, Self.byteCount - Self.sumStart)
    let count = version.count + place.count
    let isLong = count > Self.sumStart - Self.labelStart
    head.pointee.labels = isLong ? .allocate(byteCount: count, alignment: 1) : base + Self.labelStart
    head.pointee.versionCount = version.count
    head.pointee.labelCount = count
    version.withUnsafeBytes { head.pointee.labels.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    place.withUnsafeBytes {
      (head.pointee.labels + version.count).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
    }
  }

  /// Nobody reads it any more.
  func end() {
    if head.pointee.labels != base + Self.labelStart { head.pointee.labels.deallocate() }
    head.pointee.labels = base + Self.labelStart
    head.pointee.labelCount = 0
  }

  /// `model="…",…` as it stands between the braces of each line.
  package var labels: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: head.pointee.labels, count: head.pointee.labelCount)
  }

  /// As much of it as names the model and its version.
  package var versionLabels: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: head.pointee.labels, count: head.pointee.versionCount)
  }

  // MARK: Cells

  @inline(__always)
  private func cells(_ start: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (base + start).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  @inline(__always)
  private func bucket(_ stage: ServiceTimes.Stage, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    if stage == .request { return cells(Self.fineStart) + index }
    let place = stage.rawValue - 1
    return index < Self.lowCount
      ? cells(Self.lowStart) + (place * Self.lowCount + index)
      : cells(Self.coarseStart + place * Self.coarseStride) + (index - Self.lowCount)
  }

  @inline(__always)
  private func add(_ stage: ServiceTimes.Stage, _ nanoseconds: UInt64) {
    let index = (stage == .request ? TimeScale.fineIndex : TimeScale.coarseIndex).of(nanoseconds)
    bucket(stage, index).pointee.wrappingAdd(1, ordering: .relaxed)
    cells(Self.sumStart)[stage.rawValue].wrappingAdd(nanoseconds, ordering: .relaxed)
  }

  @inline(__always)
  package func add(_ answer: ModelStatistics.Answer) {
    add(.request, answer.endNs - answer.startNs)
    add(.queue, answer.queueNs)
    add(.computeInput, answer.inputNs)
    add(.run, answer.runNs)
    add(.computeOutput, answer.outputNs)
    if answer.rows != 1 { add(rows: answer.rows) }
  }

  @inline(never)
  private func add(rows: UInt64) {
    let cells = cells(Self.rowStart)
    // None at all falls below the first bound as one does.
    if rows > 1 {
      let bucket = min(UInt64.bitWidth - (rows - 1).leadingZeroBitCount, Self.rowCount) - 1
      cells[bucket].wrappingAdd(1, ordering: .relaxed)
    }
    cells[Self.rowCount].wrappingAdd(rows &- 1, ordering: .relaxed)
  }

  /// Fetches what `add` will write of a quick model's request: up to 30 µs.
  @inline(__always)
  func prefetch() {
    linux_prefetch(base + Self.sumStart)
    linux_prefetch(base + Self.lowStart)
    linux_prefetch(base + Self.fineStart)
    linux_prefetch(base + Self.fineStart + 64)
  }

  /// Fetches what is read of a stage: the next set while one is written, which takes about as long.
  func prefetch(_ stage: ServiceTimes.Stage) {
    let first = stage == .request ? 0 : Self.lowCount
    let buckets = UnsafeRawPointer(bucket(stage, first))
    let count = (stage == .request ? Self.fineCount : Self.coarseCount) - first
    for offset in stride(from: 0, to: count * MemoryLayout<UInt64>.size, by: 64) { linux_prefetch(buckets + offset) }
    for offset in stride(from: 0, through: Self.lowStart, by: 64) { linux_prefetch(base + offset) }
  }

  /// The same for what is read of rows.
  func prefetchRows() {
    prefetch(.run)
    linux_prefetch(base + Self.rowStart)
  }

  func sumNs(_ stage: ServiceTimes.Stage) -> UInt64 {
    cells(Self.sumStart)[stage.rawValue].load(ordering: .relaxed)
  }

  /// Of a bucket of `TimeScale.fine` for requests, of `coarse` for the other stages, or of what is longer.
  @inline(__always)
  func count(_ stage: ServiceTimes.Stage, _ index: Int) -> UInt64 {
    bucket(stage, index).pointee.load(ordering: .relaxed)
  }

  package var takesRows: Bool { head.pointee.takesRows }

  /// Runs of several rows: of 2 to the power of `index + 1`, of fewer than that but more than half as many, or of more
  /// than 64.
  func rowCount(_ index: Int) -> UInt64 { cells(Self.rowStart)[index].load(ordering: .relaxed) }

  /// Rows of so many runs.
  func rowSum(ofRuns count: UInt64) -> UInt64 {
    count &+ cells(Self.rowStart)[Self.rowCount].load(ordering: .relaxed)
  }

  /// Of any number of rows.
  var runCount: UInt64 { (0..<Self.coarseCount).reduce(0) { $0 &+ count(.run, $1) } }
}

/// Where the requests of a model in one place are counted, once there was one. Any thread.
///
/// Its cells are found without a look at the object that owns them, which would be two more cold cache lines.
package struct KnownTimes: ~Copyable, Sendable {
  private let owner = AtomicLazyReference<ServiceTimes>()
  /// An address; 0 before. As a number: it may be handed from thread to thread.
  private let start = Atomic<UInt>(0)

  package init() {}

  package var times: ServiceTimes? { owner.load() }

  /// - Returns: Those that are known from now on.
  package func storeIfNil(_ times: ServiceTimes) -> SeriesCells {
    let cells = owner.storeIfNil(times).cells
    start.store(UInt(bitPattern: cells.base), ordering: .releasing)
    return cells
  }

  @inline(__always)
  package var cells: SeriesCells? {
    UnsafeMutableRawPointer(bitPattern: start.load(ordering: .acquiring)).map { SeriesCells(known: $0) }
  }

  /// Fetches what the answer of a request under way will be counted in.
  @inline(__always)
  package func prefetch() { cells?.prefetch() }
}
