import Glibc

/// What a process may do that the user who started it may not.
package enum ProcessPrivileges {
  /// True if the kernel asks not to trust the environment (AT_SECURE: set-user-id, file capabilities), and if it can't
  /// be asked.
  ///
  /// Reads /proc/self/auxv, which is unreadable in just those processes: Swift's Glibc doesn't declare `getauxval`.
  package static var areRaised: Bool {
    let file = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return true }
    defer { close(file) }
    // Pairs of type and value, about 20 of them, the last of type 0.
    var words = [UInt](repeating: 0, count: 256)
    let got = words.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
    guard got > 0 else { return true }
    let secureType: UInt = 23  // AT_SECURE in <elf.h>
    for index in stride(from: 0, to: got / MemoryLayout<UInt>.size - 1, by: 2) where words[index] == secureType {
      return words[index + 1] != 0
    }
    return true
  }

  /// Those variables of the search that are set.
  package static func environment(_ names: [String] = ManifestSearch.environmentNames) -> [String: String] {
    var environment: [String: String] = [:]
    for name in names {
      if let value = getenv(name) { environment[name] = String(cString: value) }
    }
    return environment
  }
}
