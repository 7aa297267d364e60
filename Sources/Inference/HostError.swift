package import Wire

/// The one error that crosses modules. `message` says what, with which values, and what to do; clients read it.
package struct HostError: Error, Sendable, CustomStringConvertible {
  package let code: Code
  package let message: String
  /// The description of what lies below, if anything.
  package let cause: String?
  /// Facts that programs read, as `["limit": "requestsPerSecond"]`: an object; nil for none.
  package let details: JSONValue?
  /// Overrides what the code says of `Retry-After`.
  package let retryAfterSeconds: Int?
  /// The request that a host refused, as its answer named it; nil in the host itself.
  package let requestID: String?
  /// A runner's process has ended under the call, which may fare better once there is another.
  package let isProcessEnd: Bool

  package init(
    _ code: Code, _ message: String, cause: (any Error)? = nil, details: JSONValue? = nil,
    retryAfterSeconds: Int? = nil, requestID: String? = nil, isProcessEnd: Bool = false
  ) {
    self.code = code
    self.message = message
    self.cause = cause.map { String(describing: $0) }
    self.details = details
    self.retryAfterSeconds = retryAfterSeconds
    self.requestID = requestID
    self.isProcessEnd = isProcessEnd
  }

  package var description: String { cause.map { "\(message): \($0)" } ?? message }
}
