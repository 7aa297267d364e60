import Inference

/// An answer that says no, in any provider's words.
struct Refusal {
  private let status: Int
  /// The provider's word for it, as `SlowDown`; empty where it has none.
  let code: String
  private let message: String
  private let headers: [String: String]

  /// Nil for an answer that says yes.
  init?(of answer: HTTPAnswer) {
    let document = answer.body.isEmpty ? nil : XMLElement(parsing: answer.body)
    let error = document?.name == "Error" ? document : nil
    // S3 answers 200 before it has put the parts of an object together, and may fail then.
    guard !answer.isSuccess || error != nil else { return nil }
    status = answer.status
    code = error?.text(of: "Code") ?? answer.headers["x-ms-error-code"] ?? ""
    message = error?.text(of: "Message") ?? ""
    headers = answer.headers
  }

  private static let transientCodes: Set = [
    "SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable", "Busy", "ServerBusy", "OperationTimedOut",
    "Throttling", "ThrottlingException", "RequestThrottled", "RequestLimitExceeded", "BandwidthLimitExceeded",
    // What has arrived isn't what was sent.
    "BadDigest", "Md5Mismatch", "XAmzContentSHA256Mismatch",
  ]
  private static let staleCodes: Set = [
    "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException",
  ]

  var isTransient: Bool {
    [408, 429, 500, 502, 503, 504].contains(status) || Self.transientCodes.contains(code)
  }
  /// Who asks is refused, or when they say they ask.
  var isOfRequester: Bool { [400, 401, 403].contains(status) }
  var isOfCredentials: Bool { status == 401 || Self.staleCodes.contains(code) }

  var retryAfter: Duration? { headers["retry-after"].flatMap { Int($0) }.map { .seconds(min(max($0, 0), 3600)) } }

  func error(_ what: String) -> HostError {
    let said = [code, String(message.prefix(200))].filter { !$0.isEmpty }.joined(separator: ": ")
    let text = "\(what): \(status)" + (said.isEmpty ? "" : " \(said)")
    switch status {
    case 404: return HostError(.notFound, text)
    case 409, 412: return HostError(.conflict, text)
    case 416: return HostError(.invalidRequest, text)
    case _ where isTransient: return HostError(.overloaded, text)
    case 401, 403:
      return HostError(.storageRefused, "\(text); check the credentials and what they allow")
    case 300...399:
      let region = headers["x-amz-bucket-region"].map { "; the bucket is in region \($0)" } ?? ""
      return HostError(.internalError, "\(text)\(region); check region and endpoint")
    default: return HostError(.internalError, text)
    }
  }
}
