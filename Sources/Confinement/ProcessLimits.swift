import CLinux
import Glibc
import Inference

/// Limits that the kernel keeps per process. Their hard values are set too: nothing inside raises them again.
///
/// Not the number of threads: RLIMIT_NPROC counts a user's, so that one runner would stop another.
struct ProcessLimits {
  var memoryBytes: Int?
  var openFiles: Int

  func apply() throws(HostError) {
    // When the machine's memory ends, the kernel ends runners first: as if they used half the machine more.
    // Needs no privilege. That it fails where /proc is read-only changes nothing else.
    let file = linux_open("/proc/self/oom_score_adj", O_WRONLY, 0)
    if file >= 0 {
      _ = write(file, "500", 3)
      close(file)
    }
    try set(RLIMIT_CORE, 0)
    try set(RLIMIT_NOFILE, UInt64(max(openFiles, 0)))
    if let memoryBytes {
      let present = (ProcessFacts.status("VmData:") ?? 0) * 1024
      try set(RLIMIT_DATA, UInt64(max(memoryBytes, 0)) + UInt64(present))
    }
  }

  /// Never raises a limit: the host's own may be lower.
  private func set(_ kind: __rlimit_resource, _ value: UInt64) throws(HostError) {
    let resource = __rlimit_resource_t(kind.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return try check(errno, "read limit \(resource)") }
    limit.rlim_max = min(limit.rlim_max, rlim_t(value))
    limit.rlim_cur = limit.rlim_max
    if setrlimit(resource, &limit) != 0 { try check(errno, "set limit \(resource) to \(value)") }
  }
}
