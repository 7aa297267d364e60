import CConfinement
import Glibc
package import Inference

/// What a runner's process may still do. Each layer holds where another is missing or fails:
///
/// - Limits of the process keep the runner from core dumps, and from more private memory and open files than it was
///   given. Not from shared memory (memfd), threads and CPU time: a `ControlGroup` counts those.
/// - Not being dumpable keeps other processes of the same user from tracing it.
/// - Without capabilities and new privileges it isn't root, even where the host is, and becomes nobody else. It still
///   owns what its user owns: that is for the next two.
/// - Landlock keeps it from opening any file, folder or device that isn't named, from changing files, and from TCP
///   ports, signals and abstract sockets of others. Not from seeing (stat) that a path exists, its size and its owner.
/// - The system call filter keeps it from processes (fork, exec), new sockets of every kind, changing modes and owners,
///   tracing, namespaces, io_uring, BPF and keys, and from what else of the kernel inference has no use for.
///
/// What the runner gets is the runner's: it reads all models in `readablePaths`, its environment, and uses every
/// descriptor that it inherits. It compiles and runs code of its own, takes what CPU time it is given, and learns what
/// the processor's side channels tell. The kernel itself is trusted.
package struct Confinement: Sendable, Equatable {
  /// Files, or folders with all in them, now and later: read and listed. What isn't there is skipped.
  package var readablePaths: [String]
  /// Folders whose files may be made, changed and removed, such as an engine's cache. What isn't there is skipped.
  package var writablePaths: [String]
  /// Devices such as /dev/dri or /dev/nvidia0: read, written and controlled (ioctl). What isn't there is skipped.
  package var devicePaths: [String]
  /// Private memory beyond what the process has already, as it is reserved, not as it is touched. Nil: no limit.
  package var memoryBytes: Int?
  /// The highest number of a descriptor, plus one. About 25 are taken by `apply`.
  package var openFiles: Int

  package init(
    readablePaths: [String], writablePaths: [String] = [], devicePaths: [String] = [], memoryBytes: Int? = nil,
    openFiles: Int = 1024
  ) {
    self.readablePaths = readablePaths
    self.writablePaths = writablePaths
    self.devicePaths = devicePaths
    self.memoryBytes = memoryBytes
    self.openFiles = openFiles
  }

  /// Narrows the calling process for good.
  ///
  /// The first thing a process does: a second thread would stay free. Afterwards /proc/self belongs to root, so that
  /// where the host doesn't run as root, it reads of its runner what everybody may (stat, statm, status).
  ///
  /// - Returns: What this kernel couldn't give, one sentence each; empty when all layers hold.
  /// - Throws: `HostError` `.internalError`. The process is then half confined: it must end.
  package func apply() throws(HostError) -> [String] {
    var remarks: [String] = []
    let threads = ProcessFacts.status("Threads:")
    guard threads == 1 else {
      throw HostError(.internalError, "a process is confined before its second thread; this one has \(threads ?? 0)")
    }
    try ProcessLimits(memoryBytes: memoryBytes, openFiles: openFiles).apply()
    // Opened while the process may still open everything.
    let files = try FileAccess(for: self, &remarks)
    try check(linux_forbid_dumps(), "forbid dumps")
    try check(linux_drop_capabilities(), "drop capabilities")
    try check(linux_forbid_new_privileges(), "forbid new privileges")
    try files?.enforce()
    try filterSystemCalls(&remarks)
    return remarks
  }

  private func filterSystemCalls(_ remarks: inout [String]) throws(HostError) {
    var rights = 0
    if !writablePaths.isEmpty { rights |= LINUX_MAY_CHANGE }
    if !devicePaths.isEmpty { rights |= LINUX_MAY_IOCTL }
    let code = linux_filter_system_calls(rights)
    if code == ENOSYS || code == EINVAL {
      remarks.append("system calls are not filtered: this kernel has no seccomp filters for this processor")
    } else {
      try check(code, "filter system calls")
    }
  }
}

/// - Throws: `.internalError` unless `code` is 0.
func check(_ code: Int32, _ doing: String) throws(HostError) {
  guard code == 0 else {
    throw HostError(.internalError, "confinement can't \(doing): \(String(cString: strerror(code)))")
  }
}
