import CCurl
import Inference
import Synchronization

/// Sends requests by libcurl, each on its caller's thread, over connections that are kept for the next.
final class HTTPClient: Sendable {
  /// What an exchange came to without an answer.
  struct Failure: Error {
    /// Safe to send again if the request is.
    let isTransient: Bool
    let error: HostError
  }

  /// More would only keep connections that nobody uses.
  private static let maxIdleCount = 8
  /// A transfer that moves nothing for so long has failed.
  private let stalledSeconds: Int
  private let caFile: String?
  private let isDirect: Bool
  private let idle = Mutex<[Handle]>([])

  private struct Handle: @unchecked Sendable {
    // @unchecked: used by the one who took it out of the list.
    let pointer: UnsafeMutableRawPointer
  }

  /// - Parameters:
  ///   - caFile: PEM certificates to trust instead of the system's.
  ///   - isDirect: Never by way of a proxy: for addresses that only this machine can reach.
  init(caFile: String? = nil, isDirect: Bool = false, stalledSeconds: Int = 60) throws(HostError) {
    var text = [CChar](repeating: 0, count: Int(CURL_EXCHANGE_ERROR_BYTES))
    guard curl_exchange_open(&text) else {
      throw HostError(
        .unsupported, "object stores need libcurl.so.4 (\(text.text)); install Debian's package libcurl4")
    }
    self.caFile = caFile
    self.isDirect = isDirect
    self.stalledSeconds = stalledSeconds
  }

  deinit { idle.withLock { for handle in $0 { curl_exchange_free(handle.pointer) } } }

  /// - Parameters:
  ///   - sink: Takes the body of a 200 or 206, in pieces, after the head; without it, all of the body that fits
  ///     `HTTPExchange.maxKeptBytes` is in the answer.
  /// - Throws: Whatever the status, an answer is returned, not thrown.
  func send(
    _ request: HTTPRequest, connectMs: Int = 10_000, _ call: StorageCall, what: String,
    to sink: HTTPExchange.Sink? = nil
  ) throws(Failure) -> HTTPAnswer {
    let handle = try take()
    let exchange = HTTPExchange(request, call, what, sink)
    var text = [CChar](repeating: 0, count: Int(CURL_EXCHANGE_ERROR_BYTES))
    let code = exchange.run(
      on: handle.pointer, caFile: caFile, isDirect: isDirect, connectMs: connectMs, stalledSeconds: stalledSeconds,
      error: &text)
    giveBack(handle)
    // Our own reasons to stop come first: libcurl only knows that it was stopped.
    if let error = exchange.failure { throw Failure(isTransient: false, error: error) }
    switch code {
    case 0: return exchange.answer
    case CURL_EXCHANGE_BAD_CERTIFICATE, CURL_EXCHANGE_BAD_CA_FILE:
      throw Failure(
        isTransient: false,
        error: HostError(.internalError, "\(what): \(request.address.host) isn't trusted: \(text.text)"))
    default:
      throw Failure(
        isTransient: true,
        error: HostError(.overloaded, "\(what): \(request.address.host) doesn't answer: \(text.text)"))
    }
  }

  private func take() throws(Failure) -> Handle {
    if let handle = idle.withLock({ $0.popLast() }) { return handle }
    guard let pointer = curl_exchange_new() else {
      throw Failure(isTransient: true, error: HostError(.overloaded, "no memory for a connection"))
    }
    return Handle(pointer: pointer)
  }

  private func giveBack(_ handle: Handle) {
    let isKept = idle.withLock { idle in
      guard idle.count < Self.maxIdleCount else { return false }
      idle.append(handle)
      return true
    }
    if !isKept { curl_exchange_free(handle.pointer) }
  }
}

extension [CChar] {
  fileprivate var text: String { String(decoding: prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
}
