import Catalog
import Inference
import Routing
import Running
import Serving
import Wire

/// What is registered, beside what it has done since the host's start.
extension Routes {
  func registrySummaries(_ exchange: Exchange, _ method: HTTPMethod) async throws(HostError) {
    guard Self.allow(.get, method, exchange) else { return }
    let catalog = try registry()
    var query = try Self.query(exchange)
    let cursor = try query.text("cursor")
    let limit = try Self.limit(&query)
    try query.end()
    Self.answer(exchange, try await catalog.summaries(tenant: try exchange.tenant, after: cursor, limit: limit))
  }

  /// A model's, with the statistics of its versions that are served now.
  func summary(_ subject: Subject, _ catalog: Catalog) async throws(HostError) -> JSONValue {
    let facts = try await catalog.summary(of: subject.model, tenant: subject.tenant)
    var name = subject.model
    let model = name.withUTF8 { router.table.model(UnsafeRawBufferPointer($0), in: TenantScope(subject.tenant)) }
    let statistics = statistics(of: model?.versions ?? [])["model_stats"] ?? []
    return .object((facts.members ?? []) + [.init("statistics", statistics)])
  }

  /// One version's facts; where it is served now, by whom, and with which statistics.
  func version(_ label: String, _ subject: Subject, _ catalog: Catalog) async throws(HostError) -> JSONValue {
    let facts = try await catalog.version(label, of: subject.model, tenant: subject.tenant)
    var name = subject.model
    let model = name.withUTF8 { router.table.model(UnsafeRawBufferPointer($0), in: TenantScope(subject.tenant)) }
    guard let served = model?.versions.first(where: { $0.version == label }) else { return facts }
    let serving: [JSONValue.Member] = [
      .init("runner", .string(served.instances[0].runnerID)),
      .init("device", .string(served.instances[0].device.name)),
      .init("statistics", statistics(of: [served])["model_stats"]?.array?.first ?? .null),
    ]
    return .object((facts.members ?? []) + [.init("served", .object(serving))])
  }
}
