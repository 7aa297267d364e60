import CLinux
import Glibc
import Synchronization

/// The memory of one set of histograms: its labels, and cells that any thread adds to.
///
/// All are of one size, so that they stand one beside the other; each part begins on a cache line of its own.
package struct SeriesCells: @unchecked Sendable {
  // @unchecked: the cells are atomic, and the rest doesn't change while anybody reads it (`SeriesMemory`).
  private let base: UnsafeMutableRawPointer

  private struct Head {
    /// Behind this head, or elsewhere if they are long.
    var labels: UnsafeMutableRawPointer
    var labelCount: Int
    /// As many of them name the model and its version.
    var versionCount: Int
    /// In the list of `SeriesMemory`.
    let index: Int
  }

  /// Requests are counted finely, so that percentiles of a few seconds can be told; the stages as they are shown.
  ///
  /// Numbers and not sums of counts: these are constants to the compiler, in what each request does.
  static let fineCount = 82
  static let coarseCount = 15
  private static let stageCount = 5

  private static let labelStart = MemoryLayout<Head>.size
  private static let sumStart = 192
  private static let fineStart = sumStart + lines(stageCount)
  private static let coarseStart = fineStart + lines(fineCount)
  private static let coarseStride = lines(coarseCount)
  static let byteCount = coarseStart + (stageCount - 1) * coarseStride

  /// Bytes of so many cells, in whole cache lines.
  private static func lines(_ cellCount: Int) -> Int { (cellCount * MemoryLayout<UInt64>.size + 63) & ~63 }

  /// - Parameter base: `byteCount` bytes, aligned to cache lines; they stay the caller's.
  init(at base: UnsafeMutableRawPointer, index: Int) {
    self.base = base
    memset(base, 0, Self.byteCount)
    (base + Self.sumStart).bindMemory(
      to: Atomic<UInt64>.self, capacity: (Self.byteCount - Self.sumStart) / MemoryLayout<UInt64>.stride)
    base.initializeMemory(
      as: Head.self, to: Head(labels: base + Self.labelStart, labelCount: 0, versionCount: 0, index: index))
  }

  private var head: UnsafeMutablePointer<Head> { base.assumingMemoryBound(to: Head.self) }

  var index: Int { head.pointee.index }

  /// Takes labels, and counts from zero. Nobody reads it yet.
  func begin(version: [UInt8], place: [UInt8]) {
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
  private func buckets(_ stage: ServiceTimes.Stage) -> UnsafeMutablePointer<Atomic<UInt64>> {
    cells(stage == .request ? Self.fineStart : Self.coarseStart + (stage.rawValue - 1) * Self.coarseStride)
  }

  @inline(__always)
  func add(_ stage: ServiceTimes.Stage, _ nanoseconds: UInt64) {
    let bucket = (stage == .request ? TimeScale.fineIndex : TimeScale.coarseIndex).of(nanoseconds)
    buckets(stage)[bucket].wrappingAdd(1, ordering: .relaxed)
    cells(Self.sumStart)[stage.rawValue].wrappingAdd(nanoseconds, ordering: .relaxed)
  }

  /// Fetches what is read of a stage: the next set while one is written, which takes about as long.
  func prefetch(_ stage: ServiceTimes.Stage) {
    let buckets = UnsafeRawPointer(buckets(stage))
    let byteCount = (stage == .request ? Self.fineCount : Self.coarseCount) * MemoryLayout<UInt64>.size
    for offset in stride(from: 0, to: byteCount, by: 64) { linux_prefetch(buckets + offset) }
    for offset in stride(from: 0, through: Self.sumStart, by: 64) { linux_prefetch(base + offset) }
  }

  func sumNs(_ stage: ServiceTimes.Stage) -> UInt64 {
    cells(Self.sumStart)[stage.rawValue].load(ordering: .relaxed)
  }

  /// Of a bucket of `TimeScale.fine` for requests, of `coarse` for the other stages, or of what is longer.
  @inline(__always)
  func count(_ stage: ServiceTimes.Stage, _ bucket: Int) -> UInt64 { buckets(stage)[bucket].load(ordering: .relaxed) }
}
