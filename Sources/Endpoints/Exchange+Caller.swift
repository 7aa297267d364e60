import Admission
import Inference
import Serving

extension Exchange {
  /// Who sends it; known since `HostHandler.admit`.
  var caller: Caller {
    guard let known = peer?.identity, let caller = unsafeDowncast(known, to: Identity.self).caller else {
      preconditionFailure("a request is admitted before it is answered")
    }
    return caller
  }

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
