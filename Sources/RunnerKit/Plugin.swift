import CStadionRunner

/// A runner plugin: what the host asks before it creates anything. See `PluginTable` for the one exported function.
public protocol RunnerPlugin {
  associatedtype Runner: RunnerKit.Runner

  /// Reverse domain; equals the manifest's `id`.
  static var id: String { get }
  /// Of the runner, not of its engine.
  static var version: String { get }
  /// "onnxruntime 1.32.0"; nil while only the engine knows. Asked again after `open` and each `Runner.init`.
  static var engine: String? { get }
  /// At least one. Asked once after each `open`, so that an engine can be asked first, and the same until `close`.
  static var devices: [Device] { get }

  /// How well this build suits this machine: 100 = plain, more = better. Throw when it can't run here. [control]
  static func probe() throws(RunnerError) -> UInt32
  /// Once per process, before everything below. `host` is valid until `close` returns. [control]
  static func open(_ host: Host) throws(RunnerError)
  /// After every runner is gone; ends all threads of the plugin. [control]
  static func close()
}

extension RunnerPlugin {
  public static var engine: String? { nil }
  public static func probe() throws(RunnerError) -> UInt32 { 100 }
  public static func open(_ host: Host) throws(RunnerError) {}
  public static func close() {}
}

/// What a plugin computes on.
public struct Device: Sendable {
  public var kind: String
  public var ordinal: UInt32
  /// Per model; 1 = the host serialises.
  public var maxConcurrentRuns: UInt32
  public var flags: Flags
  /// 0 = shares host memory.
  public var memoryBytes: UInt64
  public var name: String
  /// File formats, as manifests name them: "onnx".
  public var formats: [String]

  public struct Flags: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let dynamicShapes = Flags(rawValue: UInt64(STADION_DEVICE_DYNAMIC_SHAPES))
    public static let streams = Flags(rawValue: UInt64(STADION_DEVICE_STREAMS))
    public static let pollsCancel = Flags(rawValue: UInt64(STADION_DEVICE_POLLS_CANCEL))
    public static let parallelLoads = Flags(rawValue: UInt64(STADION_DEVICE_PARALLEL_LOADS))
  }

  public init(
    kind: String = "cpu", ordinal: UInt32 = 0, name: String = "CPU", formats: [String], maxConcurrentRuns: UInt32 = 1,
    flags: Flags = [], memoryBytes: UInt64 = 0
  ) {
    self.kind = kind
    self.ordinal = ordinal
    self.name = name
    self.formats = formats
    self.maxConcurrentRuns = maxConcurrentRuns
    self.flags = flags
    self.memoryBytes = memoryBytes
  }
}

/// An engine, set up for one device. Released when the host destroys it.
public protocol Runner: AnyObject {
  associatedtype Loaded: Model

  /// - Parameter options: Those of the manifest. [control]
  init(device: Device, options: Options) throws(RunnerError)

  /// - Parameters:
  ///   - path: Absolute, without links.
  ///   - options: Those of `model.json`.
  ///
  /// [control], or [any] where the device says `.parallelLoads`. May take seconds; asks the ticket.
  func load(path: String, options: Options, ticket: Ticket) throws(RunnerError) -> Loaded
}

/// A loaded model. Released when the host unloads it, after its last run.
public protocol Model: AnyObject {
  /// Asked once, after `load`; at most 8 dimensions each.
  var inputs: [TensorSpec] { get }
  var outputs: [TensorSpec] { get }
  /// What the model says of itself. Asked once, after `load`.
  var metadata: [(key: String, value: String)] { get }

  /// Emits every output that is wanted, then returns. [run], as many at once as the device says.
  func run(_ request: Request) throws(RunnerError)
}

/// A model whose runs can be ended from outside: offered to the host as `stadion.interrupt/1`.
public protocol InterruptibleModel: Model {
  /// Makes the run that holds this ticket return soon; harmless when there is none. Must not block. [any]
  func interrupt(ticket id: UInt64)
}
