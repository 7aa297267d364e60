import StadionClient

extension HTTPResponse {
  /// The headers of a refusal by a limit: its name and value, what is left, and when to come again.
  var rateLimit: String {
    ["policy", "limit", "remaining", "reset"].map { header("ratelimit-\($0)") ?? "-" }.joined(separator: " ")
      + " after \(header("retry-after") ?? "-")"
  }
}
