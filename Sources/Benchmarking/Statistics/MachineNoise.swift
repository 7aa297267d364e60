import CLinux
import Glibc

/// How much the machine disturbs a thread that only reads the clock: what no benchmark on it can be more exact than.
package struct MachineNoise: Sendable, Equatable {
  /// Share of the time in which the thread was interrupted.
  package let lostShare: Double
  package let longestNs: UInt64
  /// Interruptions a second.
  package let interruptions: Double
  /// Programs that wanted to run, on average over a minute.
  package let load: Double
  package let processors: Int

  package init(lostShare: Double, longestNs: UInt64, interruptions: Double, load: Double, processors: Int) {
    self.lostShare = lostShare
    self.longestNs = longestNs
    self.interruptions = interruptions
    self.load = load
    self.processors = processors
  }

  /// Reads of the clock that are further apart than this were interrupted: one takes some 30 ns.
  private static let gapNs: UInt64 = 2000

  package static func measure(for duration: Duration = .milliseconds(300)) -> MachineNoise {
    let begin = linux_now_ns()
    let end = begin + UInt64(duration / .nanoseconds(1))
    var last = begin
    var lost: UInt64 = 0
    var longest: UInt64 = 0
    var count = 0
    while last < end {
      let now = linux_now_ns()
      if now - last > gapNs {
        lost += now - last
        longest = max(longest, now - last)
        count += 1
      }
      last = now
    }
    var load = 0.0
    getloadavg(&load, 1)
    let seconds = Double(last - begin) / 1e9
    return MachineNoise(
      lostShare: Double(lost) / Double(last - begin), longestNs: longest, interruptions: Double(count) / seconds,
      load: load, processors: Int(linux_cpu_count()))
  }
}
