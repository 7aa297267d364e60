import CLinux
import Running

/// Runs in flight by runner, counted over all models that are served.
///
/// Among many models a count serves for a while: whoever loads thousands would otherwise go through all of them for each.
struct RunsInFlight {
  private var latest: [String: Int] = [:]
  private var dueNs: UInt64 = 0

  /// Counted each time: nothing is saved by keeping it.
  private static let fewModels = 64
  /// Counting takes no more than this part of the time.
  private static let share: UInt64 = 32

  /// - Parameter table: What is served now.
  mutating func counts(in table: RoutingTable) -> [String: Int] {
    let began = linux_now_ns()
    if table.count > Self.fewModels && began < dueNs { return latest }
    latest = [:]
    table.forEachVersion { version in
      for instance in version.instances {
        let running = instance.gate.runningCount
        if running > 0 { latest[instance.runnerID, default: 0] += running }
      }
    }
    let end = linux_now_ns()
    dueNs = end + (end - began) * Self.share
    return latest
  }
}
