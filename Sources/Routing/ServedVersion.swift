package import Inference
package import Running
package import Telemetry

/// One version of a model that requests can be sent to. Immutable; any thread.
package final class ServedVersion: Sendable {
  package let tenant: TenantID
  package let model: String
  /// `ModelKey`: where the router has it.
  package let key: String
  /// Of its folder.
  package let number: Int
  /// As clients know it: `number`, or the label that it was registered under.
  package let version: String
  /// The same model on one or more devices, best first; never empty.
  package let instances: [LoadedModel]
  /// Label lists by output index; empty where `model.json` names none.
  package let labels: [[String]]
  /// Why files can't be served, and what better runners than these have said against it.
  package let remarks: [String]
  /// Deadline of requests that bring none; 0 = none.
  package let timeoutMs: Int
  package let statistics: ModelStatistics

  init(
    tenant: TenantID = .standard, model: String, number: Int, version: String, instances: [LoadedModel],
    labels: [[String]], timeoutMs: Int,
    remarks: [String] = [], statistics: ModelStatistics = ModelStatistics()
  ) {
    self.statistics = statistics
    self.tenant = tenant
    self.model = model
    key = ModelKey.text(tenant, model)
    self.number = number
    self.version = version
    self.instances = instances
    self.labels = labels
    self.timeoutMs = timeoutMs
    self.remarks = remarks
  }

  /// The same without the instances of one runner; nil if none is left.
  func without(_ runner: Runner) -> ServedVersion? {
    let left = instances.filter { $0.runner !== runner }
    return left.isEmpty ? nil : with(left)
  }

  /// The same, counted together, in other places.
  func with(_ instances: [LoadedModel]) -> ServedVersion {
    ServedVersion(
      tenant: tenant, model: model, number: number, version: version, instances: instances, labels: labels,
      timeoutMs: timeoutMs, remarks: remarks, statistics: statistics)
  }

  /// Of the file that the best instance was loaded from.
  package var format: String { instances[0].format }
  package var inputs: [TensorSpec] { instances[0].inputs }
  package var outputs: [TensorSpec] { instances[0].outputs }

  /// The least busy instance on `device`, or on any.
  ///
  /// - Throws: `.unsupported` if it is served elsewhere only.
  package func instance(on device: String?) throws(HostError) -> LoadedModel {
    if instances.count == 1 && device == nil { return instances[0] }
    let fitting = instances.filter { device == nil || $0.device.name == device }
    if let best = fitting.min(by: { $0.gate.runningCount < $1.gate.runningCount }) { return best }
    let served = instances.map(\.device.name).joined(separator: ", ")
    throw HostError(
      .unsupported,
      "model '\(model)' is served on \(served), not on \(device ?? ""); name it under \"devices\" in model.json")
  }
}
