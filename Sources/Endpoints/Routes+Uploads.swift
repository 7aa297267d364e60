import Admission
import Catalog
import Inference
import Serving
import Storage
import Store
import Wire

/// `/v1/uploads`: files that come in as many requests as their sender likes.
///
///     POST   /v1/uploads              {"bytes": N, "sha256": "…"}, both optional; answers {"id": …, "offset": 0}
///     GET    /v1/uploads?sha256=&limit=&cursor=  {"uploads": […]}, the last begun first
///     PUT    /v1/uploads/ID?offset=N  the bytes from N on, or some of them
///     HEAD   /v1/uploads/ID           Upload-Offset tells where to go on
///     DELETE /v1/uploads/ID
extension Routes {
  func registry() throws(HostError) -> Catalog {
    guard let catalog else {
      throw HostError(.notOffered, "this host keeps no models; start it with --data DIR (data.folder)")
    }
    guard catalog.isStarted else { throw HostError(.overloaded, "the registry is being started; try again") }
    return catalog
  }

  /// Where the bytes of a PUT go.
  func sink(for exchange: Exchange) async throws(HostError) -> (any BodySink)? {
    let path = try Self.segments(exchange.head.pathBytes)
    guard path.count == 3, path[0] == "v1", path[1] == "uploads" else { return nil }
    let catalog = try registry()
    try exchange.caller.require(.publish)
    let upload = try await catalog.uploads.find(path[2], tenant: try exchange.tenant)
    var query = try Self.query(exchange)
    let offset = try query.number("offset") ?? 0
    try query.end()
    try await catalog.uploads.begin(
      upload, at: offset, count: exchange.head.contentLength ?? 0, limit: catalog.options.fileBytes)
    return UploadSink(upload, of: catalog.uploads)
  }

  func respondUploads(_ exchange: Exchange, _ method: HTTPMethod, _ path: [String]) async throws(HostError) {
    let uploads = try registry().uploads
    let tenant = try exchange.tenant
    try exchange.caller.require(.publish)
    guard let id = path.first else {
      if method == .get { return try await list(exchange) }
      guard Self.allow(.post, method, exchange) else { return }
      return Self.answer(exchange, try await Self.facts(try await begin(exchange, uploads, tenant)))
    }
    let upload = try await uploads.find(id, tenant: tenant)
    switch method {
    case .get:
      exchange.addHeader("Upload-Offset", try await upload.offset())
      Self.answer(exchange, try await Self.facts(upload))
    case .put, .patch:
      do throws(HostError) {
        try await upload.check()
      } catch {
        // Bytes that aren't what was announced are worth nothing, and can't be told from each other.
        if error.code == .invalidRequest { try await uploads.delete(upload) }
        throw error
      }
      Self.answer(exchange, try await Self.facts(upload))
    case .delete:
      try await uploads.delete(upload)
      Self.answer(exchange, ["id": .string(id), "deleted": true])
    default: Self.refuseMethod(exchange, allowed: "GET, HEAD, PUT, PATCH, DELETE")
    }
  }

  private func begin(_ exchange: Exchange, _ uploads: Uploads, _ tenant: TenantID) async throws(HostError) -> Upload {
    var fields = try BodyFields(try Self.json(exchange) ?? .object([]))
    let byteCount = try fields.number("bytes")
    var digest: SHA256Digest?
    if let text = try fields.text("sha256") {
      digest = try Self.digest(text)
      guard byteCount != nil else { throw HostError(.invalidRequest, "'sha256' needs 'bytes': how many it is of") }
    }
    try fields.end()
    return try await uploads.create(
      tenant: tenant, byteCount: byteCount, sha256: digest, limit: try registry().options.maxUploads)
  }

  private func list(_ exchange: Exchange) async throws(HostError) {
    var query = try Self.query(exchange)
    let digest = try query.text("sha256").map { (text) throws(HostError) in try Self.digest(text) }
    let cursor = try query.text("cursor").map { (text) throws(HostError) in try ListCursor(text) }
    let limit = try Self.limit(&query)
    try query.end()
    let catalog = try registry()
    let (rows, next) = try await catalog.uploads.list(
      tenant: try exchange.tenant, sha256: digest, keepMs: catalog.options.uploadKeepMs, cursor: cursor, limit: limit)
    Self.answer(exchange, "uploads", rows, next: next?.text)
  }

  static func digest(_ text: String) throws(HostError) -> SHA256Digest {
    guard let digest = SHA256Digest(text) else {
      throw HostError(.invalidRequest, "'sha256' must be 64 lower-case hexadecimal digits, not '\(text.excerpt)'")
    }
    return digest
  }

  private static func facts(_ upload: Upload) async throws(HostError) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("id", .string(upload.id)), .init("offset", .integer(try await upload.offset())),
    ]
    if let count = upload.byteCount { members.append(.init("bytes", .integer(count))) }
    if let digest = upload.sha256 { members.append(.init("sha256", .string(digest.text))) }
    return .object(members)
  }
}
