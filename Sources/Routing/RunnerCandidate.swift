package import Inference
import Registry

/// What the choice needs to know about one runner that may serve a request.
package struct RunnerCandidate: Sendable, Equatable {
  package enum Health: Sendable, Equatable {
    case ready
    /// Not now; the reason is for people, as "restarting after a crash".
    case unavailable(String)
    /// Not until somebody mends it.
    case refused(String)
  }

  package var id: String
  /// Of a model in several of them it is given the first.
  package var formats: [String]
  package var devices: [DeviceKind]
  package var elementTypes: Set<ElementType>
  package var dynamicShapes: Bool
  package var streams: Bool
  package var batching: Bool
  package var health: Health
  /// From the manifest; higher wins.
  package var priority: Int
  /// From the plugin's `probe`: 100 = plain, higher wins, 0 = can't run on this machine.
  package var score: UInt32
  /// Runs in flight.
  package var load: Int

  package init(
    id: String, formats: [String], devices: [DeviceKind], elementTypes: Set<ElementType>, dynamicShapes: Bool = false,
    streams: Bool = false, batching: Bool = false, health: Health = .ready, priority: Int = 0, score: UInt32 = 100,
    load: Int = 0
  ) {
    self.id = id
    self.formats = formats
    self.devices = devices
    self.elementTypes = elementTypes
    self.dynamicShapes = dynamicShapes
    self.streams = streams
    self.batching = batching
    self.health = health
    self.priority = priority
    self.score = score
    self.load = load
  }
}

/// What a model, or one request to it, asks of a runner.
package struct RunnerDemand: Sendable, Equatable {
  /// Any of them will do.
  package var formats: [String]
  /// Best first; empty where any device will do.
  package var devices: [DeviceKind]
  /// True if only `devices` will do; otherwise others follow them.
  package var devicesRequired: Bool
  /// Ids, best first; empty where any runner will do. Runners that aren't named follow those that are.
  package var runners: [String]
  package var elementTypes: Set<ElementType>
  package var needsDynamicShapes: Bool
  package var needsStreaming: Bool
  package var needsBatching: Bool

  package init(
    formats: [String], devices: [DeviceKind] = [], devicesRequired: Bool = false, runners: [String] = [],
    elementTypes: Set<ElementType> = [], needsDynamicShapes: Bool = false, needsStreaming: Bool = false,
    needsBatching: Bool = false
  ) {
    self.formats = formats
    self.devices = devices
    self.devicesRequired = devicesRequired
    self.runners = runners
    self.elementTypes = elementTypes
    self.needsDynamicShapes = needsDynamicShapes
    self.needsStreaming = needsStreaming
    self.needsBatching = needsBatching
  }
}

extension RunnerDemand {
  /// What a version's files ask for, under its model's settings.
  init(for files: [ModelFile], _ settings: ModelSettings) {
    self.init(
      formats: files.map(\.format), devices: settings.devices, devicesRequired: settings.deviceRequired,
      runners: settings.runners)
  }
}
