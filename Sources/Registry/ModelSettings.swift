package import Inference
package import Wire

/// What a model's `model.json` says: everything that can't be read from the model itself. All of it is optional.
package struct ModelSettings: Sendable, Equatable {
  /// Which version folders are served.
  package enum Versions: Sendable, Equatable {
    /// The highest so many.
    case latest(Int)
    case all
    /// By number; "01" and "1" are the same.
    case specific([String])
  }

  /// For people.
  package var description: String?
  /// Overrides what the file's name says.
  package var format: String?
  /// Runner ids, best first; empty for any.
  package var runners: [String] = []
  /// Best first; empty for any.
  package var devices: [DeviceKind] = []
  /// True if only `devices` will do.
  package var deviceRequired = false
  /// Given to the `load` of every runner.
  package var options: [String: String] = [:]
  /// Runner id → what it alone is given besides, or in place of an option of the same name.
  package var runnerOptions: [String: [String: String]] = [:]
  package var versions = Versions.latest(1)
  /// 1...4096; nil leaves it to the runner.
  package var maxConcurrentRuns: Int?
  /// Requests that may wait.
  package var queueLimit = 1024
  /// Deadline of a run that brings none; 0 for none.
  package var timeoutMs = 0
  /// Output name → name of a file in the model's folder, one label a line.
  package var labels: [String: String] = [:]
  /// Input name → hints for the command line, untouched: how to turn files into tensors.
  package var inputs: [String: JSONValue] = [:]

  package init() {}

  /// What that runner's `load` is given.
  package func options(forRunner id: String) -> [String: String] {
    options.merging(runnerOptions[id] ?? [:]) { _, own in own }
  }
}
