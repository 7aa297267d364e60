import Admission
import Catalog
import Inference
import Routing
import Serving
import Wire

/// What the server says of itself.
struct ServerFacts: Sendable {
  let name: String
  let version: String
}

/// Every route but infer. None of them is hot: paths and bodies are turned into values.
struct Routes: Sendable {
  let router: Router
  /// Both nil where the host keeps nothing.
  let tenants: Tenants?
  let catalog: Catalog?
  let quotas: Quotas
  let refused: RefusedCallers
  let quotaBook: QuotaBook?
  let server: ServerFacts
  let isDraining: @Sendable () -> Bool
  let observer: Observer

  /// A control request's body beyond this is refused.
  static let controlBodyLimit = 1 << 20

  func respond(to exchange: Exchange) async throws(HostError) {
    let segments = try Self.segments(exchange.head.pathBytes)
    let method = exchange.head.method == .head ? HTTPMethod.get : exchange.head.method
    switch segments.first {
    case "v2": try await respondV2(exchange, method, Array(segments.dropFirst()))
    case "metrics" where segments.count == 1:
      if Self.allow(.get, method, exchange) { try metrics(exchange) }
    case "v1": try await respondV1(exchange, method, Array(segments.dropFirst()))
    default: Self.refuseUnknown(exchange)
    }
  }

  private func respondV2(_ exchange: Exchange, _ method: HTTPMethod, _ path: [String]) async throws(HostError) {
    switch (path.first, path.count) {
    case (nil, _), ("", 1):
      if Self.allow(.get, method, exchange) { metadata(exchange) }
    case ("health", 2) where path[1] == "live":
      if Self.allow(.get, method, exchange) { Self.answer(exchange, ["live": true]) }
    case ("health", 2) where path[1] == "ready":
      if Self.allow(.get, method, exchange) { ready(exchange) }
    case ("models", 1):
      if Self.allow(.get, method, exchange) {
        Self.answer(exchange, ["models": .array(router.table.models(of: try exchange.tenant).map { .string($0.name) })])
      }
    case ("models", 2) where path[1] == "stats":
      if Self.allow(.get, method, exchange) {
        Self.answer(exchange, statistics(of: allServed(of: try exchange.tenant)))
      }
    case ("logging", 1): try await logging(exchange, method)
    case ("trace", 2) where path[1] == "setting": try await traceSetting(exchange, method, of: nil)
    case ("models", 4) where path[2] == "trace" && path[3] == "setting":
      try await traceSetting(exchange, method, of: path[1])
    case ("models", 2...): try respondModel(exchange, method, Array(path.dropFirst()))
    case ("repository", 2) where path[1] == "index":
      if Self.allow(.post, method, exchange) { try await index(exchange) }
    case ("repository", 4) where path[1] == "models" && (path[3] == "load" || path[3] == "unload"):
      if Self.allow(.post, method, exchange) { try await change(exchange, path[2], loads: path[3] == "load") }
    default: Self.refuseUnknown(exchange)
    }
  }

  private func respondModel(_ exchange: Exchange, _ method: HTTPMethod, _ path: [String]) throws(HostError) {
    let name = path[0]
    var verb = path.dropFirst()
    var version: String?
    if verb.first == "versions", verb.count >= 2 {
      let label = verb[verb.startIndex + 1]
      guard !label.isEmpty else {
        Self.refuseUnknown(exchange)
        return
      }
      version = label
      verb = verb.dropFirst(2)
    }
    guard verb.count <= 1 else {
      Self.refuseUnknown(exchange)
      return
    }
    let tenant = try exchange.tenant
    switch verb.first {
    case nil:
      guard Self.allow(.get, method, exchange) else { return }
      let served = try served(name, version, of: tenant)
      exchange.addHeaderLines(served.notice)
      Self.answer(exchange, modelMetadata(served, version))
    case "ready":
      guard Self.allow(.get, method, exchange) else { return }
      _ = try served(name, version, of: tenant)
      Self.answer(exchange, ["name": .string(name), "ready": true])
    case "config":
      guard Self.allow(.get, method, exchange) else { return }
      Self.answer(exchange, config(try served(name, version, of: tenant)))
    case "stats":
      guard Self.allow(.get, method, exchange) else { return }
      Self.answer(exchange, statistics(of: [try served(name, version, of: tenant)]))
    default: Self.refuseUnknown(exchange)
    }
  }

  /// - Parameter version: A number, label, stage or alias; nil for the one that serves requests which name none.
  func served(_ name: String, _ version: String?, of tenant: TenantID) throws(HostError) -> ServedVersion {
    let (name, word) = (Array(name.utf8), Array((version ?? "").utf8))
    let isNumber = word.allSatisfy { (48...57).contains($0) }
    let number = isNumber ? version.flatMap { Int($0) } : nil
    if isNumber && version != nil && number == nil {
      throw HostError(.invalidRequest, "version \(version ?? "") doesn't fit 64 bits")
    }
    let scope = TenantScope(tenant)
    let found = name.withUnsafeBytes { name in
      word.withUnsafeBytes { word in
        Result { () throws(HostError) in
          try router.table.version(name, isNumber ? number.map { .number($0) } ?? .preferred : .word(word), in: scope)
        }
      }
    }
    return try found.get()
  }

  func allServed(of tenant: TenantID) -> [ServedVersion] { router.table.models(of: tenant).flatMap(\.versions) }

  /// Writes into the audit what has been changed beside the database; where there is none, nothing.
  func note(
    _ exchange: Exchange, _ action: String, of tenant: TenantID, _ subject: String
  ) async throws(HostError) {
    try await tenants?.note(exchange.author, action, of: tenant, subject)
  }

  // MARK: Paths and bodies

  /// Decoded segments of a path. Split first, decoded then: an escaped slash is no separator.
  static func segments(_ path: UnsafeRawBufferPointer) throws(HostError) -> [String] {
    let buffer = ByteBuffer(capacity: max(path.count, 64))
    var segments: [String] = []
    for part in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      let raw = UnsafeRawBufferPointer(rebasing: part)
      try decode(raw, into: buffer)
      segments.append(buffer.string)
    }
    return segments
  }

  /// - Throws: 400 for broken escapes, 404 for names that can't be.
  static func decode(_ segment: UnsafeRawBufferPointer, into out: ByteBuffer) throws(HostError) {
    switch PercentCoding.decode(segment, into: out) {
    case .decoded: return
    case .plain:
      out.removeAll()
      out.append(segment)
    case .malformed: throw HostError(.invalidRequest, "the path has a broken percent escape, a NUL, or isn't UTF-8")
    case .forbidden: throw HostError(.notFound, "Not Found")
    }
  }

  /// The body as JSON; nil if it is empty.
  static func json(_ exchange: Exchange) throws(HostError) -> JSONValue? {
    guard !exchange.body.isEmpty else { return nil }
    guard exchange.body.count <= controlBodyLimit else {
      throw HostError(
        .payloadTooLarge, "the body has \(exchange.body.count) bytes, a control request at most \(controlBodyLimit)")
    }
    do throws(JSONError) {
      return try JSONValue(parsing: exchange.body)
    } catch {
      throw HostError(.invalidRequest, "failed to parse the request JSON: \(error)")
    }
  }

  /// Whether `key=1` stands in the query.
  static func hasFlag(_ exchange: Exchange, _ flag: String) -> Bool {
    String(decoding: exchange.head.queryBytes, as: UTF8.self).split(separator: "&").contains { $0 == "\(flag)=1" }
  }

  // MARK: Answers

  static func answer(_ exchange: Exchange, _ value: JSONValue) { value.write(to: exchange.out) }

  /// A page of a list, and where the next one begins.
  static func answer(_ exchange: Exchange, _ key: String, _ rows: [JSONValue], next: String?) {
    answer(exchange, .object([.init(key, .array(rows))] + (next.map { [.init("next", .string($0))] } ?? [])))
  }

  static func refuseUnknown(_ exchange: Exchange) { exchange.refuse(HostError(.notFound, "Not Found")) }

  static func refuseMethod(_ exchange: Exchange, allowed: StaticString) {
    exchange.refuse(HostError(.methodNotAllowed, "Method Not Allowed"))
    exchange.addHeader("Allow", allowed)
  }

  static func allow(_ wanted: HTTPMethod, _ method: HTTPMethod, _ exchange: Exchange) -> Bool {
    if method == wanted { return true }
    refuseMethod(exchange, allowed: wanted == .get ? "GET, HEAD" : "POST")
    return false
  }
}
