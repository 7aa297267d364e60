extension HostError {
  /// Stable names of what went wrong: clients decide by them, so a name that was released keeps its meaning.
  ///
  /// A new one is a case here and its row below. Of those with one status, the most general comes first: it stands for
  /// answers that name no code.
  package enum Code: String, Sendable, CaseIterable {
    case invalidRequest, unauthenticated, forbidden, notFound, methodNotAllowed, requestTimeout, conflict, gone
    case lengthRequired, preconditionFailed, payloadTooLarge, targetTooLong, unsupportedMediaType, expectationFailed
    case unsupported, quotaExceeded, headersTooLarge, cancelled
    case internalError, incompatibleRunner, storageCorrupt, notOffered, runnerFailed, storageRefused, overloaded
    case storageUnavailable, deadlineExceeded, httpVersionNotSupported

    /// What docs/errors.md says of a code.
    package struct Facts: Sendable {
      package let status: Int
      package let meaning: String
      package let advice: String
      /// What `Retry-After` says unless the error says it better; nil where trying again is no use.
      package let retrySeconds: Int?

      init(_ status: Int, _ meaning: String, _ advice: String, retry: Int? = nil) {
        self.status = status
        self.meaning = meaning
        self.advice = advice
        retrySeconds = retry
      }
    }

    package var facts: Facts {
      switch self {
      case .invalidRequest: Facts(400, "The request is malformed or contradicts the model.", "Correct what it names.")
      case .unauthenticated: Facts(401, "Nobody is known by these credentials.", "Send a valid API key.")
      case .forbidden: Facts(403, "The caller may not do this.", "Ask for the role or the access that it names.")
      case .notFound: Facts(404, "What the path or the body names isn't there.", "Check the name; list what there is.")
      case .methodNotAllowed: Facts(405, "The path has other methods.", "Use one that `Allow` names.")
      case .requestTimeout: Facts(408, "The request didn't arrive in time.", "Send it without pauses.")
      case .conflict: Facts(409, "The state of what is named forbids it.", "Look at the state, then try again.")
      case .gone: Facts(410, "It was there and has been removed for good.", "Use what took its place.")
      case .lengthRequired: Facts(411, "The request announces no body.", "Send `Content-Length` or a chunked body.")
      case .preconditionFailed: Facts(412, "It has changed since the caller read it.", "Read it again, then decide.")
      case .payloadTooLarge: Facts(413, "The body is larger than allowed.", "Send less, or raise the limit it names.")
      case .targetTooLong: Facts(414, "The request line is too long.", "Shorten the path or the query.")
      case .unsupportedMediaType: Facts(415, "The body's coding isn't understood.", "Use one that it names.")
      case .expectationFailed: Facts(417, "`Expect` asks for something else than `100-continue`.", "Leave it out.")
      case .unsupported: Facts(422, "No runner here can do this.", "Change the model, or install a runner for it.")
      case .quotaExceeded: Facts(429, "A limit of the tenant is used up.", "Wait for `Retry-After`.", retry: 1)
      case .headersTooLarge: Facts(431, "The header section is too large.", "Send fewer or shorter headers.")
      case .cancelled: Facts(499, "The caller has left; nobody reads this.", "Nothing.")
      case .internalError: Facts(500, "The host itself failed.", "Report it with its request id and the log.")
      case .incompatibleRunner: Facts(500, "A runner doesn't fit this host.", "See `stadion runner list --all`.")
      case .storageCorrupt: Facts(500, "Stored bytes aren't what was stored.", "Restore or upload them again.")
      case .notOffered: Facts(501, "The protocol has it, this host doesn't.", "Do without it.")
      case .runnerFailed: Facts(502, "The runner failed in this run.", "See the host's log by the request id.")
      case .storageRefused:
        Facts(502, "The storage doesn't accept the host's credentials.", "Have the operator check what it names.")
      case .overloaded: Facts(503, "The host can't take it at the moment.", "Wait for `Retry-After`.", retry: 1)
      case .storageUnavailable: Facts(503, "The storage doesn't answer.", "Wait for `Retry-After`.", retry: 1)
      case .deadlineExceeded: Facts(504, "It took longer than its deadline.", "Give it more time, or ask for less.")
      case .httpVersionNotSupported: Facts(505, "The HTTP version isn't spoken.", "Use HTTP/1.1.")
      }
    }

    package var httpStatus: Int { facts.status }

    /// The code that a status stands for where nothing better is said.
    package init(httpStatus status: Int) {
      let general: Code = (400..<500).contains(status) ? .invalidRequest : .internalError
      self = Self.allCases.first { $0.httpStatus == status } ?? general
    }
  }
}
