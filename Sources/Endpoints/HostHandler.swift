package import Admission
package import Catalog
package import Inference
package import Routing
import Running
package import Serving
import Synchronization
import Telemetry
import Wire

/// The host's face to HTTP: finds what a request is for, and turns errors into answers.
package final class HostHandler: HTTPHandler {
  private let infer: InferEndpoint
  private let routes: Routes
  private let router: Router
  private let outputLimit: OutputLimit
  private let observer: Observer
  private let admission: Admission

  /// - Parameters:
  ///   - admission: Says who calls.
  ///   - tenants: Changes who may call; nil where the host keeps nothing.
  ///   - catalog: What is registered; nil where the host keeps nothing.
  ///   - name: The server's name in its metadata.
  ///   - outputByteLimit: Largest sum of one answer's outputs.
  ///   - observer: What is told of requests.
  ///   - quotaBook: Where limits are kept; nil where the host keeps nothing.
  ///   - isDraining: Whether the server takes no more work; readiness is false then.
  package init(
    router: Router, admission: Admission = Admission(.open), tenants: Tenants? = nil, catalog: Catalog? = nil,
    name: String, version: String, outputByteLimit: Int = 1 << 30, observer: Observer = Observer(),
    quotaBook: QuotaBook? = nil,
    isDraining: @escaping @Sendable () -> Bool
  ) {
    self.router = router
    self.admission = admission
    self.observer = observer
    outputLimit = OutputLimit(bytes: outputByteLimit)
    infer = InferEndpoint(router, outputLimit, observer)
    routes = Routes(
      router: router, tenants: tenants, catalog: catalog, quotas: admission.quotas, refused: admission.refused,
      quotaBook: quotaBook, server: ServerFacts(name: name, version: version), isDraining: isDraining,
      observer: observer)
  }

  /// Largest sum of one answer's outputs; from the next request on.
  package var outputByteLimit: Int {
    get { outputLimit.bytes.load(ordering: .relaxed) }
    set { outputLimit.bytes.store(newValue, ordering: .relaxed) }
  }

  package func expect(_ input: UnsafeRawBufferPointer, from peer: Peer) {
    guard let known = peer.identity, let name = ModelPath.name(inFirstLine: input) else { return }
    router.table.expect(name, in: unsafeDowncast(known, to: Identity.self).caller.scope)
  }

  package func admit(_ exchange: Exchange) throws(HostError) {
    guard let peer = exchange.peer else { throw HostError(.unauthenticated, "nobody is there") }
    let identity: Identity
    if let known = peer.identity {
      identity = unsafeDowncast(known, to: Identity.self)
    } else {
      switch peer.kind {
      case .unix(let uid, let gid, _): identity = Identity(.unix(uid: uid, gid: gid))
      case .tcp: identity = Identity(.tcp)
      }
      peer.identity = identity
    }
    do throws(HostError) {
      let isNew = try admission.recognize(identity, exchange.head.credential) {
        RefusedCallers.Origin(source: peer.source, requestID: exchange.requestID)
      }
      if isNew {
        peer.lines = identity.lines
        let isOneOfMany = admission.options.knowsKeys
        peer.tenant = isOneOfMany ? identity.caller.tenant.text : nil
        // Who runs the host must be able to come in, whoever else has.
        try peer.join(isOneOfMany && !identity.caller.isOperator ? identity.quota.servingLoad : nil)
      }
    } catch {
      peer.tenant = nil
      throw error
    }
    if identity.caller.isAnonymous { try exchange.refuseForeign() }
  }

  package func respond(to exchange: Exchange) async {
    do throws(HostError) {
      if let path = ModelPath(exchange.head.pathBytes), path.asks(for: "infer") {
        try await respondToInfer(exchange, path)
      } else {
        try await respondToRest(exchange)
      }
    } catch {
      answer(error, on: exchange)
      observer.failed(exchange, error)
    }
  }

  private func respondToInfer(_ exchange: Exchange, _ path: ModelPath) async throws(HostError) {
    guard exchange.head.method == .post else {
      Routes.refuseMethod(exchange, allowed: "POST")
      return
    }
    guard !path.hasHugeVersion else { throw HostError(.invalidRequest, "the model version doesn't fit 64 bits") }
    guard exchange.head.hasBodyFraming else {
      throw HostError(.lengthRequired, "an inference request needs Content-Length or Transfer-Encoding: chunked")
    }
    guard !path.name.contains(UInt8(ascii: "%")) else {
      let decoded = ByteBuffer(capacity: path.name.count)
      try Routes.decode(path.name, into: decoded)
      defer { withExtendedLifetime(decoded) {} }
      try await infer.respond(to: exchange, decoded.bytes, path.version, exchange.identity)
      return
    }
    try await infer.respond(to: exchange, path.name, path.version, exchange.identity)
  }

  private func respondToRest(_ exchange: Exchange) async throws(HostError) {
    // In a result: `withValue` forgets the error's type.
    let result = await Log.$request.withValue(exchange.logContext) { () async -> Result<Void, HostError> in
      do throws(HostError) {
        return .success(try await routes.respond(to: exchange))
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  private func answer(_ error: HostError, on exchange: Exchange) {
    exchange.refuse(error)
    didRefuse(exchange, error)
    switch error.code {
    case .runnerFailed, .internalError, .incompatibleRunner, .storageCorrupt:
      Log.write(
        .warning, { "a request failed" },
        exchange.logFields + [
          ("code", error.code.rawValue), ("reason", error.description),
          ("path", String(decoding: exchange.head.pathBytes, as: UTF8.self)),
        ])
    default: break
    }
  }

  package func didRefuse(_ exchange: Exchange, _ error: HostError) {
    guard error.code == .quotaExceeded else { return }
    exchange.addRateLimit(error)
    if let limit = error.details?["limit"]?.string.flatMap({ QuotaLimit(rawValue: $0) }) {
      exchange.identity.quota.countRefusal(by: limit)
    }
  }

  package func sink(for exchange: Exchange) async throws(HostError) -> (any BodySink)? {
    try await routes.sink(for: exchange)
  }

  package func didSend(_ exchange: Exchange) {
    guard let scratch = exchange.scratch.map({ unsafeDowncast($0, to: InferScratch.self) }) else { return }
    observer.sent(scratch)
    scratch.end()
  }

  package func alignedOffset(for head: HTTPHead) -> Int {
    head.value(of: InferEndpoint.headerLengthName).flatMap { HTTPBytes.decimal($0) } ?? 0
  }

  package func memory(for exchange: Exchange, byteCount: Int) -> (any BodyMemory)? {
    let head = exchange.head
    guard head.method == .post, let path = ModelPath(head.pathBytes), path.asks(for: "infer"),
      head.value(of: InferEndpoint.headerLengthName) != nil,
      let served = try? router.table.version(path.name, path.version, in: exchange.caller.scope),
      let arena = served.best.sharedArena
    else { return nil }
    return PlacedBody(in: arena, byteCount: byteCount)
  }
}
