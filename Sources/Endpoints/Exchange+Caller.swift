import Admission
import Inference
import Serving
import Store

extension Exchange {
  /// What is known of who sends it, since `HostHandler.admit`.
  var identity: Identity {
    guard let known = peer?.identity else { preconditionFailure("a request is admitted before it is answered") }
    return unsafeDowncast(known, to: Identity.self)
  }

  /// Who sends it.
  var caller: Caller {
    let identity = identity
    precondition(identity.isKnown, "a request is admitted before it is answered")
    return identity.caller
  }

  /// Who asks for a change, for the audit.
  var author: Author { Author(caller.name, origin: peer?.origin ?? "", requestID: requestID) }

  /// The tenant that a request is about: the caller's, or for operators the one that `?tenant=` names.
  var tenant: TenantID {
    get throws(HostError) {
      let query = String(decoding: head.queryBytes, as: UTF8.self).split(separator: "&")
      guard let named = query.first(where: { $0.hasPrefix("tenant=") })?.dropFirst("tenant=".count) else {
        return caller.tenant
      }
      guard let tenant = TenantID(String(named)) else {
        throw HostError(.invalidRequest, "'\(String(named).excerpt)' is no tenant's name")
      }
      if tenant != caller.tenant { try caller.requireOperator() }
      return tenant
    }
  }
}
