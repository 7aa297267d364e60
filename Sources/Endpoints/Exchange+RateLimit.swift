import Admission
import Inference
import Serving
import Wire

extension Exchange {
  /// Names the limit that a refusal speaks of.
  ///
  /// `RateLimit-Limit`, `-Remaining` and `-Reset` are what clients read (draft-ietf-httpapi-ratelimit-headers-07 and
  /// earlier); `RateLimit-Policy` is that of later drafts, whose name and unit say which limit it is.
  func addRateLimit(_ error: HostError) {
    guard let name = error.details?["limit"]?.string, let value = error.details?["value"]?.int else { return }
    addHeader("RateLimit-Limit", value)
    addHeader("RateLimit-Remaining", 0)
    addHeader("RateLimit-Reset", error.retryAfterSeconds ?? error.code.facts.retrySeconds ?? 1)
    // Of a key of the configuration the name says it all.
    addHeader("RateLimit-Policy", text: "\"\(name)\";q=\(value)\(QuotaLimit(rawValue: name)?.policy ?? "")")
  }
}

extension QuotaLimit {
  /// Window in seconds and unit.
  fileprivate var policy: String {
    switch self {
    case .requestsPerSecond: ";w=1"
    case .concurrentRequests: ";qu=\"concurrent-requests\""
    case .inputBytesPerSecond: ";w=1;qu=\"content-bytes\""
    case .computeSecondsPerDay: ";w=86400;qu=\"compute-seconds\""
    case .storedBytes: ";qu=\"stored-bytes\""
    case .registeredModels: ";qu=\"models\""
    case .loadedModelBytes: ";qu=\"memory-bytes\""
    }
  }
}
