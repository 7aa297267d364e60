import Synchronization

/// Decides from measured run times whether a model's runs stay on the event loop or move to run threads.
///
/// Any thread; races cost at most a run in the less good place.
package final class RunPlace: Sendable {
  /// A moving average, in nanoseconds, for people to look at.
  private let average = Atomic<UInt64>(0)
  /// Runs in a row that speak for the other place.
  private let streak = Atomic<Int>(0)
  private let isInlineNow = Atomic<Bool>(false)
  private let thresholdNs: UInt64

  /// One slow run may be a preempted one; two in a row are the model.
  private static let slowRunsToMove = 2
  private static let fastRunsToReturn = 4

  /// - Parameter inlineMicros: Longest run that may hold up an event loop; 0 = none ever does.
  package init(inlineMicros: Int) { thresholdNs = UInt64(inlineMicros) * 1000 }

  /// False before the first runs: what is unknown doesn't get to block a loop.
  @inline(__always)
  package var isInline: Bool { isInlineNow.load(ordering: .relaxed) }

  package var averageNanoseconds: UInt64 { average.load(ordering: .relaxed) }

  @inline(__always)
  package func note(_ nanoseconds: UInt64) {
    let old = average.load(ordering: .relaxed)
    average.store(old == 0 ? nanoseconds : (old &* 15 &+ nanoseconds) / 16, ordering: .relaxed)
    let isFast = nanoseconds < thresholdNs
    let inline = isInline
    if isFast == inline {
      if streak.load(ordering: .relaxed) != 0 { streak.store(0, ordering: .relaxed) }
      return
    }
    let count = streak.wrappingAdd(1, ordering: .relaxed).newValue
    guard count >= (isFast ? Self.fastRunsToReturn : Self.slowRunsToMove) else { return }
    streak.store(0, ordering: .relaxed)
    isInlineNow.store(isFast, ordering: .relaxed)
  }
}
