package import Inference

extension Exchange {
  /// Keeps web pages in a browser on this machine from using a TCP port that asks nobody who they are.
  ///
  /// - Throws: 403 for requests that a page makes, and for host names that don't mean this machine (DNS rebinding).
  package func refuseForeign() throws(HostError) {
    if head.value(of: "origin") != nil { throw HostError(.forbidden, "requests from web pages are not served") }
    guard let host = head.value(of: "host"), !HTTPBytes.isLoopbackHost(host) else { return }
    throw HostError(.forbidden, "the Host must be localhost or a loopback address")
  }
}
