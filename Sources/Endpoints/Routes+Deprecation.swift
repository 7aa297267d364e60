import Catalog
import Inference
import Serving
import Telemetry
import Wire

/// `/v1/models/NAME/versions/LABEL/deprecation`
extension Routes {
  func deprecation(
    _ exchange: Exchange, _ method: HTTPMethod, _ catalog: Catalog, _ subject: Subject, _ label: String
  ) async throws(HostError) {
    switch method {
    case .put: try await catalog.deprecate(subject, label, try Self.deprecation(exchange))
    case .delete: try await catalog.undeprecate(subject, label)
    default: return Self.refuseMethod(exchange, allowed: "PUT, DELETE")
    }
    Self.answer(exchange, try await catalog.version(label, of: subject.model, tenant: subject.tenant))
  }

  /// All of it is optional: a version is deprecated from now on, for no reason, and nothing follows it.
  private static func deprecation(_ exchange: Exchange) throws(HostError) -> Deprecation {
    var fields = try BodyFields(try json(exchange) ?? .object([]))
    let sinceMs = try fields.number("sinceMs") ?? WallClock.nowMs
    let sunsetMs = try fields.number("sunsetMs")
    let reason = try fields.text("reason")
    var successor: Deprecation.Successor?
    switch fields.value("successor") {
    case nil: break
    case .string(let label): successor = .init(model: nil, label: label)
    case let value?:
      var parts = try BodyFields(.object(try BodyFields.members(of: value, "successor")))
      successor = .init(model: try parts.text("model"), label: try parts.need("version"))
      try parts.end()
    }
    try fields.end()
    return try Deprecation(sinceMs: sinceMs, sunsetMs: sunsetMs, successor: successor, reason: reason)
  }
}
