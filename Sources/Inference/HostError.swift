/// The one error that crosses modules. `message` says what, with which values, and what to do; clients read it.
package struct HostError: Error, Sendable, CustomStringConvertible {
  package enum Code: String, Sendable, CaseIterable {
    case invalidRequest, unknownTenant, notFound, conflict, unsupported, quotaExceeded, cancelled
    case runnerFailed, overloaded, deadlineExceeded, incompatibleRunner, internalError
    /// The protocol has it, this route or server doesn't.
    case notOffered

    /// Status of the answer. 499 is only counted: a cancelled caller reads nothing.
    package var httpStatus: Int {
      switch self {
      case .invalidRequest: 400
      case .unknownTenant: 401
      case .notFound: 404
      case .conflict: 409
      case .unsupported: 422
      case .quotaExceeded: 429
      case .cancelled: 499
      case .notOffered: 501
      case .runnerFailed: 502
      case .overloaded: 503
      case .deadlineExceeded: 504
      case .incompatibleRunner, .internalError: 500
      }
    }
  }

  package let code: Code
  package let message: String
  /// The description of what lies below, if anything.
  package let cause: String?
  /// A runner's process has ended under the call, which may fare better once there is another.
  package let isProcessEnd: Bool

  package init(_ code: Code, _ message: String, cause: (any Error)? = nil, isProcessEnd: Bool = false) {
    self.code = code
    self.message = message
    self.cause = cause.map { String(describing: $0) }
    self.isProcessEnd = isProcessEnd
  }

  package var description: String { cause.map { "\(message): \($0)" } ?? message }
}
