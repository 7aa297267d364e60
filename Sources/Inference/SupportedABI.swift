/// A version of the runner contract, `stadion_runner.h`.
package struct ABIVersion: Sendable, Equatable, CustomStringConvertible {
  package var major: Int
  package var minor: Int

  package init(major: Int, minor: Int) {
    self.major = major
    self.minor = minor
  }

  package var description: String { "\(major).\(minor)" }
}

/// The versions that a host opens: one major, from the oldest minor to the one it was built with.
///
/// A newer runner is refused; one that wants to serve older hosts too returns a table of the minor that its entry was
/// asked for.
package struct SupportedABI: Sendable, Equatable, CustomStringConvertible {
  /// Of this host. A new minor appends the size of its table, and a file to Tests/RunnerTests/Golden.
  package static let host = SupportedABI(major: 0, oldestMinor: 1, tableByteCounts: [136])

  package let oldest: ABIVersion
  /// `sizeof(stadion_plugin)` in each minor, from the oldest on; never empty.
  private let tableByteCounts: [Int]

  package init(major: Int, oldestMinor: Int, tableByteCounts: [Int]) {
    precondition(!tableByteCounts.isEmpty, "a host opens the version it was built with")
    oldest = ABIVersion(major: major, minor: oldestMinor)
    self.tableByteCounts = tableByteCounts
  }

  package var newest: ABIVersion {
    ABIVersion(major: oldest.major, minor: oldest.minor + tableByteCounts.count - 1)
  }

  /// The least `struct_size` of a table of `version`; nil when runners of it aren't opened.
  package func tableByteCount(of version: ABIVersion) -> Int? {
    guard version.major == oldest.major, (oldest.minor...newest.minor).contains(version.minor) else { return nil }
    return tableByteCounts[version.minor - oldest.minor]
  }

  package func opens(_ version: ABIVersion) -> Bool { tableByteCount(of: version) != nil }

  /// "0.1", "0.1 to 0.3".
  package var description: String { oldest == newest ? "\(newest)" : "\(oldest) to \(newest)" }
}
