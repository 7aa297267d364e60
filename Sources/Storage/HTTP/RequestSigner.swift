import Inference

/// Proves to a provider who asks.
protocol RequestSigner: Sendable {
  /// Adds what is needed; the last step before a request is sent, as it may cover all of it.
  func sign(_ request: inout HTTPRequest, at time: CivilTime, _ call: StorageCall) throws(HostError)

  /// The provider takes these credentials no more; true if others may be had.
  func forgetCredentials() -> Bool
}
