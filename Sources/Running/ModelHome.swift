package import Inference
import Threads

/// Where a loaded model is: in this process, or in a process of its runner. Any thread but for `unload`.
protocol ModelHome: AnyObject, Sendable {
  /// In this process: `finish` is the run itself.
  var isHere: Bool { get }

  /// Gives `request` the memory that its tensors must lie in, if it isn't any memory.
  func begin(_ request: RunRequest) throws(HostError)

  /// Hands a run over. Never blocks; what can't be handed over is an error of `finish`.
  func start(_ request: RunRequest)

  /// Runs, or waits for the run that was handed over, on the calling thread.
  ///
  /// - Parameter patienceNs: Longest wait; 0 = until the end. A run in this process knows no patience.
  /// - Returns: Nanoseconds that the run took; nil when patience ended first: `finish` must be called again.
  /// - Throws: What the runner says, or what became of it.
  func finish(_ request: RunRequest, patienceNs: UInt64) throws(HostError) -> UInt64?

  /// Where `loop`, whose thread this is, can wait for its runs; nil where it can't.
  func bell(on loop: any TargetLoop) -> RunBell?

  /// Waits for the run that was handed over while the bell's loop does other things.
  func finish(_ request: RunRequest, at bell: RunBell) async throws(HostError) -> UInt64

  /// Asks the run that holds `ticketID` to end, if it is under way.
  func interrupt(ticketID: UInt64)

  /// Notes what a run touches.
  func note(_ lines: inout HotLines)

  /// [control]. No run is in flight any more.
  func unload()
}

/// What opening a runner has shown.
package struct RunnerFacts: Sendable, Equatable {
  /// A device as the runner reports it, narrowed by the manifest.
  package struct Device: Sendable, Equatable {
    package let kind: DeviceKind
    package let name: String
    package let ordinal: Int
    package let maxConcurrentRuns: Int
  }

  package let version: String
  /// The engine's name and version; some are known only once a model has been loaded.
  package let engine: String
  /// How well this build suits this machine; 100 = plain.
  package let score: UInt32
  package let devices: [Device]
}

/// Where a runner is: in this process, or in one of its own. Only used from the runner's control thread.
protocol RunnerHome: AnyObject, Sendable {
  var facts: RunnerFacts { get }
  /// Its process has ended; nothing it had loaded is left.
  var hasEnded: Bool { get }

  /// Blocks, perhaps for seconds.
  ///
  /// - Parameter device: Index into the devices of `facts`.
  func load(_ request: Runner.LoadRequest, device: Int) throws(HostError) -> (home: any ModelHome, ModelSignature)

  /// What part of the cores it gets while others want them.
  func setWeight(_ weight: Int)

  /// Ends the runner. Nothing is loaded any more, or nobody cares.
  func stop()
}
