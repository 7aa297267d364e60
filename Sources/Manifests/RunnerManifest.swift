package import Inference

/// What a `*.runner.json` says about a runner: checked, with every path absolute. A manifest narrows, it never widens.
package struct RunnerManifest: Sendable, Equatable {
  /// Where the runs happen.
  package enum Isolation: String, CaseIterable, Sendable {
    /// In a process for each tenant, which may read that tenant's models and no others.
    case process
    /// In one process for all tenants: the operator trusts the runner to keep their models apart.
    case sharedProcess = "shared-process"
    /// Inside the host.
    case host
  }

  /// How a run can be ended early.
  package enum Cancel: String, CaseIterable, Sendable {
    case none
    case betweenSteps = "between-steps"
    case interrupt
  }

  package struct Device: Sendable, Equatable {
    package var kind: DeviceKind
    /// Only the device with this number; nil for all of the kind.
    package var ordinal: Int?
    /// 1...4096; nil leaves it to the plugin.
    package var maxConcurrentRuns: Int?

    package init(kind: DeviceKind, ordinal: Int? = nil, maxConcurrentRuns: Int? = nil) {
      self.kind = kind
      self.ordinal = ordinal
      self.maxConcurrentRuns = maxConcurrentRuns
    }
  }

  package struct Models: Sendable, Equatable {
    /// Lower-case words, as `onnx`; never empty.
    package var formats: [String]
    package var elementTypes: Set<ElementType>
    package var dynamicShapes: Bool
    package var streams: Bool
    /// False when the manifest is silent.
    package var batching: Bool
    package var cancel: Cancel

    package init(
      formats: [String], elementTypes: Set<ElementType>, dynamicShapes: Bool = false, streams: Bool = false,
      batching: Bool = false, cancel: Cancel = .none
    ) {
      self.formats = formats
      self.elementTypes = elementTypes
      self.dynamicShapes = dynamicShapes
      self.streams = streams
      self.batching = batching
      self.cancel = cancel
    }
  }

  /// Per runner, each at least 1; nil where the manifest sets none.
  package struct Limits: Sendable, Equatable {
    package var models: Int?
    package var memoryBytes: Int?
    package var loadTimeoutMs: Int?
    /// CPU time of its process; 100 = one core.
    package var cpuPercent: Int?
    /// How long a run may go on after it was cancelled, before its process is ended.
    package var killAfterMs: Int?

    package init(
      models: Int? = nil, memoryBytes: Int? = nil, loadTimeoutMs: Int? = nil, cpuPercent: Int? = nil,
      killAfterMs: Int? = nil
    ) {
      self.models = models
      self.memoryBytes = memoryBytes
      self.loadTimeoutMs = loadTimeoutMs
      self.cpuPercent = cpuPercent
      self.killAfterMs = killAfterMs
    }
  }

  /// What its process may open besides its library, its engine and its models. Absolute paths of files and folders.
  package struct Access: Sendable, Equatable {
    package var read: [String] = []
    /// As an engine's cache; nothing else is writable.
    package var write: [String] = []
    /// As /dev/nvidia0, to be controlled too.
    package var devices: [String] = []

    package init() {}
  }

  /// Reverse domain, of a-z, 0-9, '.' and '-'; at most 128 bytes.
  package var id: String
  package var title: String?
  /// The runner's, as dotted numbers. Shown, never used to refuse.
  package var version: String
  package var abi: ABIVersion
  /// Absolute, links resolved: what to open.
  package var libraryPath: String
  /// 64 lower-case hexadecimal digits, already found equal to the file's.
  package var sha256: String?
  package var devices: [Device]
  package var models: Models
  package var limits = Limits()
  package var access = Access()
  package var isolation = Isolation.process
  /// Higher wins when several runners fit.
  package var priority = 0
  /// For `create`. Values that begin with `@host/` or `@manifest/` are absolute paths by now.
  package var options: [String: String] = [:]
  /// For people and tools; the host never reads it.
  package var annotations: [String: String] = [:]
  /// The manifest itself, as the search met it.
  package var sourcePath: String

  package init(
    id: String, version: String = "0", abi: ABIVersion, libraryPath: String, devices: [Device], models: Models,
    sourcePath: String = ""
  ) {
    self.id = id
    self.version = version
    self.abi = abi
    self.libraryPath = libraryPath
    self.devices = devices
    self.models = models
    self.sourcePath = sourcePath
  }
}
