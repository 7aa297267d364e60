import Inference

/// Proves who asks by a token that somebody gave out for a while.
struct BearerSigner: RequestSigner {
  let tokens: CachedCredentials<Secret>

  func sign(_ request: inout HTTPRequest, at time: CivilTime, _ call: StorageCall) throws(HostError) {
    request.headers.append(("authorization", "Bearer \(try tokens.value(call).text)"))
  }

  func forgetCredentials() -> Bool { tokens.forget() }
}
