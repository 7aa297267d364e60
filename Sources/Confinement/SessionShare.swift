package import Glibc

/// What part of the cores a process gets while others want them too.
///
/// Linux divides cores among sessions before it divides them among threads (autogroups, sched(7)), and each named
/// tenant's processes lead sessions: forty busy threads of one tenant get no more than one of another's. It does so where
/// the host is in no group with CPU limits of cgroups, which divide by rules of their own.
package enum SessionShare {
  /// Takes effect at once for all threads of the process's session. Any thread.
  ///
  /// - Parameter weight: 1 or more, as parts of the whole; more than 86 is taken for 86.
  /// - Returns: False where the kernel has no autogroups, or doesn't let the host favour a process (CAP_SYS_NICE).
  package static func set(_ process: pid_t, weight: Int) -> Bool {
    // A level is worth a quarter more time; 0 is where each session begins.
    let level = max(-20, -Int((log(Double(weight)) / log(1.25)).rounded()))
    do {
      try ControlFiles("/proc/\(process)").write("autogroup", "\(level)")
      return true
    } catch {
      return false
    }
  }
}
