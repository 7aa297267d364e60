package import Confinement

/// How runners' processes are started and ended. Every limit is an option of `stadion serve`.
package struct ProcessOptions: Sendable {
  /// The program that has the verb `runner-process`.
  package var executable = "/proc/self/exe"
  /// Folders of models that runners may read.
  package var modelRoots: [String] = []
  /// Where each process gets a group of its own, for its manifest's limits; nil where the system gives none.
  package var controlGroup: HostControlGroup?
  /// Address space for tensors of requests in flight, per process; pages are taken as they are used.
  package var arenaBytes = SharedArena.standardBytes
  /// How long a run may go on after its deadline, or after its caller has left, before its process is ended.
  package var killAfterMs = 5000
  /// How long a process may take to open its library.
  package var openTimeoutMs = 30_000
  /// Pause before a crashed process is started again; it doubles with each crash up to `longestBackOffMs`.
  package var backOffMs = 100
  package var longestBackOffMs = 30_000
  /// Crashes within a minute that end in quarantine; 0 = never.
  package var quarantineCrashes = 5
  /// Longest spin for an answer, or for the next run, before a thread sleeps; 0 = never. Two wake-ups across cores, of
  /// the client and of the host, take up to 100 µs each on virtual machines.
  package var spinMicros = 200

  package init() {}
}

/// The end of a runner's process that nobody wanted.
package struct RunnerEnd: Sendable, Equatable {
  /// As "ended by signal 11 (SIGSEGV)".
  package let reason: String
  /// The host ended it for a run that went on for `killAfterMs` after it was cancelled: its clients may be to blame.
  package let isOverdueRun: Bool
  /// What ended it, in one word: a signal's name, `exit`, `host`, or `start` if it never was.
  package let cause: String

  package init(reason: String, isOverdueRun: Bool = false, cause: String = "start") {
    self.reason = reason
    self.isOverdueRun = isOverdueRun
    self.cause = cause
  }

  /// - Parameters:
  ///   - status: As `wait` has it.
  ///   - charge: Why the host ended it; nil where it didn't.
  ///   - wasOutOfMemory: The kernel has ended it at the limit of its control group.
  init(status: Int32, charge: String?, wasOutOfMemory: Bool, isOverdueRun: Bool) {
    let signal = status & 0x7f
    let charge = charge ?? (wasOutOfMemory ? "it took more memory than its manifest allows" : nil)
    let how =
      signal != 0
      ? "ended by signal \(signal) (\(SignalName.of(signal)))" : "ended with exit code \(status >> 8 & 0xff)"
    let cause = charge != nil ? "host" : signal != 0 ? SignalName.word(signal) : "exit"
    self.init(reason: charge.map { "ended by the host: \($0)" } ?? how, isOverdueRun: isOverdueRun, cause: cause)
  }
}
