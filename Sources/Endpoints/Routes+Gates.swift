import Catalog
import Inference
import Serving
import Wire

/// `/v1/models/NAME/gates`
extension Routes {
  func gates(
    _ exchange: Exchange, _ method: HTTPMethod, _ catalog: Catalog, _ subject: Subject
  ) async throws(HostError) {
    switch method {
    case .get: break
    case .put: try await catalog.setGates(subject, try Gates(try Self.json(exchange) ?? .object([])))
    case .delete: try await catalog.setGates(subject, Gates())
    default: return Self.refuseMethod(exchange, allowed: "GET, HEAD, PUT, DELETE")
    }
    let gates = try await catalog.gates(of: subject.model, tenant: subject.tenant)
    Self.answer(exchange, ["model": .string(subject.model), "gates": gates.json])
  }
}
