import Catalog
import Inference
import Serving
import Wire

/// `/v1/models/NAME/versions/LABEL/approvals/STAGE`
extension Routes {
  func approval(
    _ exchange: Exchange, _ method: HTTPMethod, _ catalog: Catalog, _ subject: Subject, _ label: String, _ stage: String
  ) async throws(HostError) {
    let stage = try Self.stage(stage)
    switch method {
    case .put:
      var fields = try BodyFields(try Self.json(exchange) ?? .object([]))
      let note = try fields.text("note")
      try fields.end()
      try await catalog.approve(subject, label, for: stage, note: note)
    case .delete:
      var query = try Self.query(exchange)
      let caller = try query.text("caller")
      try query.end()
      try await catalog.unapprove(subject, label, for: stage, of: caller)
    default: return Self.refuseMethod(exchange, allowed: "PUT, DELETE")
    }
    Self.answer(exchange, try await catalog.version(label, of: subject.model, tenant: subject.tenant))
  }
}
