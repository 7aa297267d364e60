import CConfinement
import Glibc
import Inference

/// Which files stay open to the process, as a Landlock ruleset.
struct FileAccess {
  private let ruleset: Int32
  private let version: Int32

  /// Opens all that `confinement` allows and what every process needs; nothing changes before `enforce`.
  ///
  /// Nil, with a remark, where the kernel has no Landlock.
  init?(for confinement: Confinement, _ remarks: inout [String]) throws(HostError) {
    let version = linux_landlock_version()
    guard version > 0 else {
      remarks.append(
        "files and TCP ports are not restricted: no Landlock here (\(String(cString: strerror(-version)))); "
          + "the runner reads and writes what its user may")
      return nil
    }
    remarks += Self.remarks(of: version)
    self.version = version
    ruleset = linux_landlock_open(version)
    if ruleset < 0 { try check(-ruleset, "open a Landlock ruleset") }
    let read = LINUX_MAY_READ
    for path in SystemPaths.readable + confinement.readablePaths { try allow(path, read) }
    for path in SystemPaths.ownFacts { try allow(path, read, staysOpen: true) }
    for path in SystemPaths.writableDevices { try allow(path, read | LINUX_MAY_WRITE) }
    for path in confinement.writablePaths { try allow(path, read | LINUX_MAY_WRITE | LINUX_MAY_CHANGE) }
    if !confinement.devicePaths.isEmpty {
      for path in SystemPaths.factsOfDevices { try allow(path, read) }
    }
    for path in confinement.devicePaths { try allow(path, read | LINUX_MAY_WRITE | LINUX_MAY_IOCTL) }
  }

  func enforce() throws(HostError) {
    defer { close(ruleset) }
    try check(linux_landlock_enforce(ruleset), "enforce Landlock")
  }

  /// What versions before 6 can't do.
  static func remarks(of version: Int32) -> [String] {
    let missing: [(since: Int32, what: String)] = [
      (4, "TCP ports are restricted by the system call filter alone"),
      (5, "devices that are open already may be controlled"),
      (6, "signals and abstract sockets are restricted by the system call filter alone"),
    ]
    return missing.filter { version < $0.since }.map { "\($0.what): Landlock \(version) here, \($0.since) needed" }
  }

  /// - Parameter staysOpen: For files of /proc. A rule belongs to an inode; the kernel forgets those of /proc when
  ///   nothing holds the name, and makes others that no rule knows.
  private func allow(_ path: String, _ rights: Int, staysOpen: Bool = false) throws(HostError) {
    let file = linux_landlock_find(path)
    if [-ENOENT, -ENOTDIR, -EACCES].contains(file) { return }
    guard file >= 0 else { return try check(-file, "open \(path)") }
    defer { if !staysOpen { close(file) } }
    try check(linux_landlock_allow(ruleset, version, file, rights), "allow \(path)")
  }
}
