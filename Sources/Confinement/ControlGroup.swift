package import Glibc
package import Inference

/// A runner's group of cgroup v2: the kernel counts the memory of its processes together, with shared and cached pages,
/// and their CPU time and threads.
package struct ControlGroup: Sendable, Equatable {
  /// Nil: no limit.
  package struct Limits: Sendable, Equatable {
    package var memoryBytes: Int?
    /// CPUs' worth of time: 1.5 is one and a half.
    package var cpus: Double?
    package var threads: Int?

    package init(memoryBytes: Int? = nil, cpus: Double? = nil, threads: Int? = nil) {
      (self.memoryBytes, self.cpus, self.threads) = (memoryBytes, cpus, threads)
    }
  }

  package let path: String
  private var files: ControlFiles { ControlFiles(path) }

  /// Makes the group, or takes the one that is there, and sets its limits.
  ///
  /// - Parameter name: One path component, such as a runner's id.
  /// - Throws: `HostError` `.unsupported` with the reason where a limit can't be had. The group is gone then.
  package init(named name: String, in host: HostControlGroup, _ limits: Limits) throws(HostError) {
    // The prefix keeps names apart from `host` and from the kernel's files, cgroup.procs and the like.
    path = "\(host.path)/runner-\(name)"
    guard !name.isEmpty, name.utf8.count <= 200, !name.utf8.contains(UInt8(ascii: "/")), !name.utf8.contains(0) else {
      throw HostError(.invalidRequest, "\"\(name)\" can't name a control group")
    }
    let needed = [
      "memory": limits.memoryBytes != nil, "cpu": limits.cpus != nil, "pids": limits.threads != nil,
    ].filter(\.value).keys
    let missing = Set(needed).subtracting(host.controllers).sorted()
    guard missing.isEmpty else {
      throw HostError(
        .unsupported,
        "control group \(host.path) has no controller \(missing.joined(separator: ", ")); "
          + "its parent must hand it on, or cgroup v1 holds it")
    }
    try files.make()
    do throws(HostError) { try set(limits) } catch {
      remove()
      throw error
    }
  }

  private func set(_ limits: Limits) throws(HostError) {
    let period = 100_000  // microseconds; the kernel's default
    if let memoryBytes = limits.memoryBytes {
      try files.write("memory.max", "\(memoryBytes)")
      // Neither is there in every kernel. Memory that could move to disk wouldn't be limited.
      try? files.write("memory.swap.max", "0")
      try? files.write("memory.oom.group", "1")
    }
    // The kernel takes no quota below 1 ms.
    if let cpus = limits.cpus { try files.write("cpu.max", "\(max(Int(cpus * Double(period)), 1000)) \(period)") }
    if let threads = limits.threads { try files.write("pids.max", "\(threads)") }
  }

  /// Moves a process in, with all its threads. What it has allocated before stays counted where it was.
  package func add(_ process: pid_t) throws(HostError) { try files.write("cgroup.procs", "\(process)") }

  /// How many processes the kernel has ended here because `memoryBytes` was reached.
  package var outOfMemoryKills: Int {
    let words = files.words("memory.events")
    return words.firstIndex(of: "oom_kill").flatMap { words.dropFirst($0 + 1).first }.flatMap { Int($0) } ?? 0
  }

  /// Ends what still runs in the group, and removes it once nothing does; call it after the process was waited for.
  package func remove() {
    try? files.write("cgroup.kill", "1")
    rmdir(path)
  }
}
