import Glibc
package import Inference

/// Where to look for manifests and which to take; runner-abi.md, "Search". Nothing here reads the environment itself.
package struct ManifestSearch: Sendable {
  /// A runner that is known and not used, with nothing wrong about it.
  package struct Skipped: Sendable, Equatable {
    package enum Reason: Sendable, Equatable, CustomStringConvertible {
      /// `--runners` or `--no-runners` leaves it out.
      case filtered
      /// `enabled` is false. The id stays taken, so that a user can switch off what the system installs.
      case disabled
      /// Built for another machine.
      case arch(String)
      /// Its library isn't there, and `library.setup` says what makes it.
      case notInstalled(setup: String)

      package var description: String {
        switch self {
        case .filtered: "left out by --runners or --no-runners"
        case .disabled: "disabled in its manifest"
        case .arch(let arch): "built for \(arch)"
        case .notInstalled(let setup): "not installed; \(setup)"
        }
      }
    }

    package let id: String
    package let sourcePath: String
    package let reason: Reason

    /// Whether somebody could have it here who doesn't know of it.
    package var isOffered: Bool { if case .notInstalled = reason { true } else { false } }
  }

  package struct Result: Sendable, Equatable {
    /// In the order of the search; ids are unique.
    package var manifests: [RunnerManifest] = []
    /// What is refused, with the reason.
    package var problems: [ManifestProblem] = []
    package var skipped: [Skipped] = []
    /// Notes and warnings: none of them stops a runner.
    package var remarks: [ManifestProblem] = []
    /// Of the libraries that manifests name, and of files that their options name and that aren't there: a change in one
    /// may change what can be used. May not exist.
    package var libraryFolders: Set<String> = []
  }

  /// What `--manifests` gives: files and folders, each perhaps several joined by ':'. Nil if it isn't given.
  package var explicitPaths: [String]?
  /// Who named them, for messages.
  package var explicitOrigin = "--manifests"
  /// Of `environmentNames`, what is set.
  package var environment: [String: String]
  /// True if `environment` isn't to be trusted: see `ProcessPrivileges`.
  package var isPrivileged: Bool
  /// The folder that `@host/` stands for, absolute.
  package var hostFolder: String
  /// The machine, as `library.arch` writes it.
  package var arch = currentArch
  /// What the host opens; manifests of other versions are refused. Nil takes all.
  package var hostABI: SupportedABI?
  /// Globs of `--runners`, matched with the id and with its last word; nil for all.
  package var wanted: [String]?
  /// Globs of `--no-runners`.
  package var unwanted: [String] = []
  /// Takes files that others may change, each with a warning.
  package var allowWritable = false
  /// Who, beside root, may own manifests and libraries.
  package var userID: UInt32 = geteuid()
  /// Put before `/etc`, `/usr/local/share` and `/usr/share`: for tests and staged installations.
  package var root = ""

  package init(
    hostFolder: String, explicitPaths: [String]? = nil, environment: [String: String] = [:], isPrivileged: Bool = false
  ) {
    self.hostFolder = hostFolder
    self.explicitPaths = explicitPaths
    self.environment = environment
    self.isPrivileged = isPrivileged
  }

  package static let environmentNames = [
    "STADION_MANIFESTS", "STADION_ADD_MANIFESTS", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME",
  ]

  #if arch(x86_64)
    package static let currentArch = "x86_64"
  #elseif arch(arm64)
    package static let currentArch = "aarch64"
  #else
    package static let currentArch = "unknown"
  #endif

  /// Reads and checks every manifest in reach. One bad file never stops the rest.
  ///
  /// Blocks on the disk: call off the cooperative pool.
  package func run() -> Result {
    var run = ManifestSearchRun(search: self)
    for place in places { run.visit(place) }
    return run.result
  }

  struct Place: Equatable {
    let path: String
    /// Where the path comes from, for messages; nil if nothing need be there.
    let origin: String?
  }

  /// Files and folders in the order of the search.
  var places: [Place] {
    if let explicitPaths { return explicitPaths.flatMap { Self.places($0, explicitOrigin) } }
    let environment = isPrivileged ? [:] : environment.filter { !$0.value.isEmpty }
    if let only = environment["STADION_MANIFESTS"] { return Self.places(only, "STADION_MANIFESTS") }
    // XDG: a relative path is to be ignored.
    let home = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    let config = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    let data = environment["XDG_DATA_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    let standard = [
      config ?? home.map { "\($0)/.config" }, "\(root)/etc", data ?? home.map { "\($0)/.local/share" },
      "\(root)/usr/local/share", "\(root)/usr/share",
    ]
    return Self.places(environment["STADION_ADD_MANIFESTS"] ?? "", "STADION_ADD_MANIFESTS")
      + standard.compactMap { $0.map { Place(path: "\($0)/stadion/runner-manifests", origin: nil) } }
  }

  /// Folders in which a change may change what `run` finds; of a file, the one that it lies in. May not exist.
  package var folders: [String] {
    var folders: [String] = []
    for place in places {
      let isFile = place.path.hasSuffix(".runner.json")
      let parent = place.path.lastIndex(of: "/").map { String(place.path[..<$0]) } ?? "."
      let folder = isFile ? parent : place.path
      if !folders.contains(folder) { folders.append(folder) }
    }
    return folders
  }

  /// An empty part of the list is nothing, not the current directory.
  private static func places(_ list: String, _ origin: String) -> [Place] {
    list.split(separator: ":").map { Place(path: String($0), origin: origin) }
  }

  /// Whether `--runners` and `--no-runners` leave the runner in.
  func wants(_ id: String) -> Bool {
    let word = id.split(separator: ".").last.map(String.init) ?? id
    func matches(_ glob: String) -> Bool { fnmatch(glob, id, 0) == 0 || fnmatch(glob, word, 0) == 0 }
    return wanted?.contains(where: matches) ?? true && !unwanted.contains(where: matches)
  }
}
