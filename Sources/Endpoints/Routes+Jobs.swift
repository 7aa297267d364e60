import Admission
import Catalog
import Inference
import Serving
import Storage
import Wire

/// `/v1/jobs`: what goes on after its request was answered.
///
///     GET    /v1/jobs?state=&model=&limit=&cursor=
///     GET    /v1/jobs/ID
///     DELETE /v1/jobs/ID   cancels it
extension Routes {
  func respondJobs(_ exchange: Exchange, _ method: HTTPMethod, _ path: [String]) async throws(HostError) {
    let catalog = try registry()
    let tenant = try exchange.tenant
    if method != .get { try exchange.caller.require(.publish) }
    guard let id = path.first else {
      guard Self.allow(.get, method, exchange) else { return }
      var query = try Self.query(exchange)
      var filter = Catalog.JobFilter()
      filter.state = try query.text("state")
      filter.model = try query.text("model")
      filter.cursor = try query.number("cursor")
      filter.limit = try Self.limit(&query)
      try query.end()
      return Self.answer(exchange, try await catalog.jobs(tenant: tenant, filter))
    }
    switch method {
    case .get: Self.answer(exchange, try await catalog.job(id, tenant: tenant))
    case .delete:
      Self.answer(exchange, try await catalog.cancelJob(id, tenant: tenant, caller: exchange.author))
    default: Self.refuseMethod(exchange, allowed: "GET, HEAD, DELETE")
    }
  }

  /// Answers that a job has begun, and where it is.
  func accept(_ exchange: Exchange, _ job: JSONValue) {
    exchange.setStatus(202)
    exchange.addHeader("Location", text: "/v1/jobs/\(job["id"]?.string ?? "")")
    Self.answer(exchange, job)
  }

  /// `"uri": …, "sha256": "…"` or `{"PATH": "…"}`; nil where no URI is given.
  static func place(_ fields: inout BodyFields) throws(HostError) -> (uri: String, digests: [String: SHA256Digest])? {
    guard let uri = try fields.text("uri") else { return nil }
    var digests: [String: SHA256Digest] = [:]
    switch fields.value("sha256") {
    case nil: break
    case .string(let text)?: digests[RemoteRegistration.anyPath] = try digest(text)
    case let value?:
      for member in try BodyFields.members(of: value, "sha256") {
        guard !member.key.isEmpty else { throw HostError(.invalidRequest, "'sha256' has a file without a path") }
        digests[member.key] = try digest(member.value.string ?? member.value.kindName)
      }
    }
    return (uri, digests)
  }
}
