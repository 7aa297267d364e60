package import Inference
package import Running
package import Telemetry

/// One version of a model that requests can be sent to. Immutable; any thread.
package final class ServedVersion: Sendable {
  // What every request reads stands in front, side by side.

  /// The first of `instances`, found without a look at the list.
  private let first: LoadedModel?
  package let statistics: ModelStatistics
  /// Header lines of its answers, each with its CRLF; mostly none.
  package let notice: [UInt8]
  /// Deadline of requests that bring none; 0 = none.
  package let timeoutMs: Int
  private let isAlone: Bool
  package let model: String
  /// As clients know it: `number`, or the label that it was registered under.
  package let version: String

  package let tenant: TenantID
  /// `ModelKey`: where the router has it.
  package let key: String
  /// Of its folder.
  package let number: Int
  /// The same model on one or more devices, best first; never empty.
  package let instances: [LoadedModel]
  /// Label lists by output index; empty where `model.json` names none.
  package let labels: [[String]]
  /// Why files can't be served, and what better runners than these have said against it.
  package let remarks: [String]

  init(
    tenant: TenantID = .standard, model: String, number: Int, version: String, instances: [LoadedModel],
    labels: [[String]], timeoutMs: Int, remarks: [String] = [], statistics: ModelStatistics = ModelStatistics(),
    notice: [UInt8] = []
  ) {
    self.statistics = statistics
    self.notice = notice
    self.tenant = tenant
    self.model = model
    key = ModelKey.text(tenant, model)
    self.number = number
    self.version = version
    self.instances = instances
    first = instances.first
    isAlone = instances.count == 1
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
      timeoutMs: timeoutMs, remarks: remarks, statistics: statistics, notice: notice)
  }

  /// The same, in the same places, whose answers say something else.
  func saying(_ notice: [UInt8]) -> ServedVersion {
    ServedVersion(
      tenant: tenant, model: model, number: number, version: version, instances: instances, labels: labels,
      timeoutMs: timeoutMs, remarks: remarks, statistics: statistics, notice: notice)
  }

  /// Notes what a request touches of it in its best place.
  func note(_ lines: inout HotLines) {
    lines.add(self, 88)
    lines.add(statistics, 80)
    first?.note(&lines)
  }

  package var best: LoadedModel { first ?? instances[0] }

  /// Of the file that the best instance was loaded from.
  package var format: String { best.format }
  package var inputs: [TensorSpec] { best.inputs }
  package var outputs: [TensorSpec] { best.outputs }

  /// What the times of its requests on `model` are told apart by. A model is one tenant's; the default one isn't named.
  package func labels(of model: LoadedModel) -> SeriesLabels {
    SeriesLabels(
      model: self.model, version: version, runner: model.runnerID, device: model.device.name,
      tenant: tenant == .standard ? nil : tenant.text, takesRows: model.signature.takesRows)
  }

  /// The least busy instance on `device`, or on any.
  ///
  /// - Throws: `.unsupported` if it is served elsewhere only.
  package func instance(on device: String?) throws(HostError) -> LoadedModel {
    if isAlone && device == nil { return best }
    let fitting = instances.filter { device == nil || $0.device.name == device }
    if let best = fitting.min(by: { $0.gate.runningCount < $1.gate.runningCount }) { return best }
    let served = instances.map(\.device.name).joined(separator: ", ")
    throw HostError(
      .unsupported,
      "model '\(model)' is served on \(served), not on \(device ?? ""); name it under \"devices\" in model.json")
  }
}
