import Glibc
import Synchronization

/// Runs and their times by how many rows each had. Any thread, without a lock.
///
/// A model's runs mostly have the same number of rows: whichever comes first is counted here, by one comparison and
/// additions side by side. Callers choose how many rows they send, so that the numbers told apart are limited.
struct RunsByRows: ~Copyable, Sendable {
  private let first = RowTotals()
  /// Address of `furtherLimit` places, made when they are needed; 0 before. Not an object: each look at it would count
  /// its references.
  private let further = Atomic<UInt>(0)
  /// Runs of further numbers of rows, and the rows of them all.
  private let others = RowTotals()
  private let otherRows = Atomic<UInt64>(0)

  /// Numbers of rows that are told apart besides the first.
  static let furtherLimit = 64

  @inline(__always)
  func add(_ answer: ModelStatistics.Answer) {
    if !first.take(answer) { addFurther(answer) }
  }

  deinit { free(places) }

  private var places: UnsafeMutablePointer<RowTotals>? {
    UnsafeMutablePointer(bitPattern: further.load(ordering: .acquiring))
  }

  @inline(never)
  private func addFurther(_ answer: ModelStatistics.Answer) {
    if let places = places ?? makeFurther() {
      for index in 0..<Self.furtherLimit where places[index].take(answer) { return }
    }
    others.add(answer)
    otherRows.wrappingAdd(answer.rows, ordering: .relaxed)
  }

  /// Nil without memory: then runs are only summed.
  private func makeFurther() -> UnsafeMutablePointer<RowTotals>? {
    // All zero is what a free place is.
    guard let memory = calloc(Self.furtherLimit, MemoryLayout<RowTotals>.stride) else { return nil }
    let places = memory.bindMemory(to: RowTotals.self, capacity: Self.furtherLimit)
    let (isFirst, made) = further.compareExchange(
      expected: 0, desired: UInt(bitPattern: memory), ordering: .acquiringAndReleasing)
    if isFirst { return places }
    free(memory)
    return UnsafeMutablePointer(bitPattern: made)
  }

  var totals: RunTotals {
    var byRows: [RunTotals.Entry] = []
    if let entry = first.entry { byRows.append(entry) }
    if let places {
      for index in 0..<Self.furtherLimit { if let entry = places[index].entry { byRows.append(entry) } }
    }
    return RunTotals(
      byRows: byRows.sorted { $0.rows < $1.rows }, others: others.sums,
      otherRows: otherRows.load(ordering: .relaxed))
  }
}

/// A model version's answered runs at one moment.
package struct RunTotals: Sendable {
  /// Runs of one number of rows.
  package struct Entry: Sendable {
    package let rows: UInt64
    package let sums: Sums
  }

  /// How many runs, and their times in nanoseconds.
  package struct Sums: Sendable {
    package fileprivate(set) var count, inputNs, runNs, outputNs: UInt64

    package var input: DurationTotal { DurationTotal(count: count, nanoseconds: inputNs) }
    package var run: DurationTotal { DurationTotal(count: count, nanoseconds: runNs) }
    package var output: DurationTotal { DurationTotal(count: count, nanoseconds: outputNs) }
  }

  /// Ascending; without numbers of rows beyond the limit.
  package let byRows: [Entry]
  /// Of all runs.
  package let all: Sums
  /// Of all runs.
  package let rowCount: UInt64

  init(byRows: [Entry], others: Sums, otherRows: UInt64) {
    var (all, rowCount) = (others, otherRows)
    for entry in byRows {
      all.count &+= entry.sums.count
      all.inputNs &+= entry.sums.inputNs
      all.runNs &+= entry.sums.runNs
      all.outputNs &+= entry.sums.outputNs
      rowCount &+= entry.rows &* entry.sums.count
    }
    self.byRows = byRows
    self.all = all
    self.rowCount = rowCount
  }
}

/// Runs of one number of rows, once one has been seen.
private struct RowTotals: ~Copyable, Sendable {
  /// One more than the rows of those that are counted here; 0 = free.
  private let claim = Atomic<UInt64>(0)
  private let count = Atomic<UInt64>(0)
  private let inputNs = Atomic<UInt64>(0)
  private let runNs = Atomic<UInt64>(0)
  private let outputNs = Atomic<UInt64>(0)

  /// - Returns: False if runs of other rows are counted here.
  @inline(__always)
  func take(_ answer: ModelStatistics.Answer) -> Bool {
    let wanted = answer.rows &+ 1
    let held = claim.load(ordering: .relaxed)
    guard held == wanted || (held == 0 && claims(wanted)) else { return false }
    add(answer)
    return true
  }

  @inline(never)
  private func claims(_ wanted: UInt64) -> Bool {
    let (isClaimed, held) = claim.compareExchange(expected: 0, desired: wanted, ordering: .relaxed)
    return isClaimed || held == wanted
  }

  @inline(__always)
  func add(_ answer: ModelStatistics.Answer) {
    count.wrappingAdd(1, ordering: .relaxed)
    inputNs.wrappingAdd(answer.inputNs, ordering: .relaxed)
    runNs.wrappingAdd(answer.runNs, ordering: .relaxed)
    outputNs.wrappingAdd(answer.outputNs, ordering: .relaxed)
  }

  var sums: RunTotals.Sums {
    RunTotals.Sums(
      count: count.load(ordering: .relaxed), inputNs: inputNs.load(ordering: .relaxed),
      runNs: runNs.load(ordering: .relaxed), outputNs: outputNs.load(ordering: .relaxed))
  }

  /// Nil while nothing is counted here.
  var entry: RunTotals.Entry? {
    let held = claim.load(ordering: .relaxed)
    let sums = sums
    return held == 0 || sums.count == 0 ? nil : RunTotals.Entry(rows: held - 1, sums: sums)
  }
}
