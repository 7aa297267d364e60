import CLinux
import Running

/// Runs in flight by runner, counted over all models that are served.
///
/// Among many models a count serves for a while: whoever loads thousands would otherwise go through all of them for each.
struct RunsInFlight {
  private var latest: [String: Int] = [:]
  private var dueNs: UInt64 = 0

  /// Counted each time: nothing is saved by keeping it.
  static let fewModels = 64
  /// Counting takes no more than this part of the time.
  static let share: UInt64 = 32

  /// - Parameters:
  ///   - clock: Nanoseconds of CLOCK_MONOTONIC.
  ///   - count: Goes through all models.
  mutating func counts(
    modelCount: Int, clock: () -> UInt64 = linux_now_ns, _ count: () -> [String: Int]
  ) -> [String: Int] {
    let began = clock()
    if modelCount > Self.fewModels && began < dueNs { return latest }
    latest = count()
    let end = clock()
    dueNs = end + (end - began) * Self.share
    return latest
  }
}

extension RoutingTable {
  /// By runner, without those that have none.
  var runsInFlight: [String: Int] {
    var counts: [String: Int] = [:]
    forEachVersion { version in
      for instance in version.instances {
        let running = instance.gate.runningCount
        if running > 0 { counts[instance.runnerID, default: 0] += running }
      }
    }
    return counts
  }
}
