package import Inference
package import Registry

/// What operators and clients see of a model.
package struct ModelReport: Sendable {
  package struct Version: Sendable {
    package let label: String
    /// The protocol's word: READY, LOADING, UNAVAILABLE.
    package let state: String
    /// Empty where there is nothing to say.
    package let reason: String
    /// Of the file that serves; of all, joined by ", ", while none does.
    package let format: String
    /// Nil unless it is served.
    package let served: ServedVersion?
  }

  package let name: String
  /// Lowest first.
  package let versions: [Version]
  package let entry: ModelEntry
  /// Why there is no version.
  package let problem: String?
}

extension Router {
  /// Every model of a tenant, by name.
  package func reports(for tenant: TenantID = .standard) -> [ModelReport] {
    models.filter { $0.value.entry.tenant == tenant }.sorted { $0.key < $1.key }.map { report($1, $0) }
  }

  package func report(_ name: String, of tenant: TenantID = .standard) throws(HostError) -> ModelReport {
    let key = ModelKey.text(tenant, name)
    guard let model = models[key] else {
      throw HostError(.notFound, "Request for unknown model: '\(name)' is not found")
    }
    return report(model, key)
  }

  private func report(_ model: ModelState, _ key: String) -> ModelReport {
    let versions = model.versions.sorted { $0.key < $1.key }.map { _, version in report(version, of: key) }
    return ModelReport(
      name: ModelKey.name(of: key), versions: versions, entry: model.entry, problem: model.firstProblem)
  }

  private func report(_ version: VersionState, of name: String) -> ModelReport.Version {
    let (state, reason): (String, String) =
      switch version.phase {
      case .loading: ("LOADING", "")
      case .ready(let served): ("READY", version.problem ?? served.remarks.joined(separator: "; "))
      case .unavailable(let reason), .lost(let reason): ("UNAVAILABLE", reason)
      }
    let formats = version.entry.files.map(\.format).joined(separator: ", ")
    return ModelReport.Version(
      label: registered[name]?.labels[version.entry.number] ?? String(version.entry.number), state: state,
      reason: reason, format: version.served?.format ?? formats,
      served: version.served)
  }
}
