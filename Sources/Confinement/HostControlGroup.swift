import Glibc
package import Inference

/// The host's own group of cgroup v2, made ready for a group per runner.
///
/// A group that hands controllers to children may hold no process itself, so the host moves into a child named `host`.
package struct HostControlGroup: Sendable, Equatable {
  package let path: String
  /// Of memory, cpu and pids, those that children have.
  package let controllers: Set<String>

  private static let wanted: Set<String> = ["memory", "cpu", "pids"]

  /// Once per process, when the host starts. Blocks shortly.
  ///
  /// - Parameter root: Where /proc and the mounts are; tests bring their own.
  /// - Throws: `HostError` `.unsupported` with the reason, and what an operator can do.
  package static func prepare(root: String = "") throws(HostError) -> HostControlGroup {
    let path = try find(root)
    let files = ControlFiles(path)
    for name in ["", "cgroup.procs", "cgroup.subtree_control"] where access("\(path)/\(name)", W_OK) != 0 {
      throw HostError(
        .unsupported,
        "control group \(path) isn't the host's to divide (\(String(cString: strerror(errno)))); "
          + "under systemd set Delegate=yes in its unit")
    }
    let available = wanted.intersection(files.words("cgroup.controllers"))
    let missing = available.subtracting(files.words("cgroup.subtree_control"))
    if !missing.isEmpty { try enable(missing, files) }
    return HostControlGroup(path: path, controllers: available)
  }

  private static func enable(_ controllers: Set<String>, _ files: ControlFiles) throws(HostError) {
    // Only the machine's root group has no type; it may hold processes and children.
    if files.exists("cgroup.type") {
      let others = files.words("cgroup.procs").filter { $0 != "\(getpid())" }
      guard others.isEmpty else {
        throw HostError(
          .unsupported,
          "control group \(files.path) holds \(others.count) more processes besides the host; start the "
            + "host in a group of its own, such as a systemd unit with Delegate=yes")
      }
      let leaf = ControlFiles("\(files.path)/host")
      try leaf.make()
      try leaf.write("cgroup.procs", "\(getpid())")
    }
    try files.write("cgroup.subtree_control", controllers.sorted().map { "+\($0)" }.joined(separator: " "))
  }

  private static func find(_ root: String) throws(HostError) -> String {
    // "36 25 0:30 /its/root /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw"
    let mount = ProcessFacts.lines("\(root)/proc/self/mountinfo").map { $0.split(separator: " ") }
      .first { fields in fields.count > 6 && fields.firstIndex(of: "-").map { fields[($0 + 1)...].first } == "cgroup2" }
    guard let mount else {
      throw HostError(.unsupported, "no cgroup v2 is mounted; runners have no memory and CPU groups")
    }
    guard let own = ProcessFacts.lines("\(root)/proc/self/cgroup").first(where: { $0.hasPrefix("0::/") })?.dropFirst(3)
    else { throw HostError(.unsupported, "the host is in no group of cgroup v2") }
    let top = mount[3] == "/" ? "" : String(mount[3])
    guard own == top || own.hasPrefix(top + "/"), !own.split(separator: "/").contains("..") else {
      throw HostError(.unsupported, "the host's control group \(own) isn't below the mounted \(mount[3])")
    }
    let relative = own.dropFirst(top.count)
    return "\(root)\(mount[4])\(relative == "/" ? "" : relative)"
  }
}
