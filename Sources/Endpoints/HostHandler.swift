import Inference
package import Routing
import Running
package import Serving
import Telemetry
import Wire

/// The host's face to HTTP: finds what a request is for, and turns errors into answers.
package final class HostHandler: HTTPHandler {
  private let infer: InferEndpoint
  private let routes: Routes
  private let router: Router
  private let observer: Observer

  /// - Parameters:
  ///   - name: The server's name in its metadata.
  ///   - outputByteLimit: Largest sum of one answer's outputs.
  ///   - observer: What is told of requests.
  ///   - isDraining: Whether the server takes no more work; readiness is false then.
  package init(
    router: Router, name: String, version: String, outputByteLimit: Int = 1 << 30, observer: Observer = Observer(),
    isDraining: @escaping @Sendable () -> Bool
  ) {
    self.router = router
    self.observer = observer
    infer = InferEndpoint(router, outputByteLimit: outputByteLimit, observer: observer)
    routes = Routes(
      router: router, server: ServerFacts(name: name, version: version), isDraining: isDraining, observer: observer)
  }

  package func respond(to exchange: Exchange) async {
    do throws(HostError) {
      if let path = ModelPath(exchange.head.pathBytes), path.asks(for: "infer") {
        try await respondToInfer(exchange, path)
      } else {
        try await routes.respond(to: exchange)
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
      exchange.refuse(411, "an inference request needs Content-Length or Transfer-Encoding: chunked")
      return
    }
    guard !path.name.contains(UInt8(ascii: "%")) else {
      let decoded = ByteBuffer(capacity: path.name.count)
      try Routes.decode(path.name, into: decoded)
      defer { withExtendedLifetime(decoded) {} }
      try await infer.respond(to: exchange, decoded.bytes, path.version)
      return
    }
    try await infer.respond(to: exchange, path.name, path.version)
  }

  private func answer(_ error: HostError, on exchange: Exchange) {
    exchange.refuse(error.code.httpStatus, error.description)
    if error.code == .overloaded { exchange.addHeader("Retry-After", 1) }
    switch error.code {
    case .runnerFailed, .internalError, .incompatibleRunner:
      Log.warning(
        "a request failed", ("code", error.code.rawValue), ("reason", error.description),
        ("path", String(decoding: exchange.head.pathBytes, as: UTF8.self)))
    default: break
    }
  }

  package func didSend(_ exchange: Exchange) {
    guard let scratch = exchange.scratch.map({ unsafeDowncast($0, to: InferScratch.self) }) else { return }
    observer.sent(scratch)
    scratch.end()
  }

  package func alignedOffset(for head: HTTPHead) -> Int {
    head.value(of: InferEndpoint.headerLengthName).flatMap { HTTPBytes.decimal($0) } ?? 0
  }

  package func memory(for head: HTTPHead, byteCount: Int) -> (any BodyMemory)? {
    guard head.method == .post, let path = ModelPath(head.pathBytes), path.asks(for: "infer"),
      head.value(of: InferEndpoint.headerLengthName) != nil,
      let served = try? router.table.version(path.name, path.version), let arena = served.instances[0].sharedArena
    else { return nil }
    return PlacedBody(in: arena, byteCount: byteCount)
  }
}
