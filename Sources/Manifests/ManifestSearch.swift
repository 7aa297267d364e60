/// Where to look for manifests and which to take. Values in, values out: nothing here reads the environment itself.
package struct ManifestSearch: Sendable {
  /// A runner that is known and not used, with nothing wrong about it.
  package struct Skipped: Sendable, Equatable {
    package enum Reason: Sendable, Equatable, CustomStringConvertible {
      /// `--runners` or `--no-runners` leaves it out.
      case filtered
      /// `enabled` is false.
      case disabled
      /// Built for another machine.
      case arch(String)

      package var description: String {
        switch self {
        case .filtered: "left out by --runners or --no-runners"
        case .disabled: "disabled in its manifest"
        case .arch(let arch): "built for \(arch)"
        }
      }
    }

    package let id: String
    package let sourcePath: String
    package let reason: Reason
  }

  package struct Result: Sendable, Equatable {
    /// In the order of the search; ids are unique.
    package var manifests: [RunnerManifest] = []
    package var problems: [ManifestProblem] = []
    package var skipped: [Skipped] = []
    /// Notes and warnings: none of them stops a runner.
    package var remarks: [ManifestProblem] = []
  }
}
