package import Inference
import Wire

extension Exchange {
  /// Answers with an error: `{"error": …, "code": …, "requestId": …, "tenant": …, "traceId": …, "deadline": …,
  /// "details": {…}}`, or RFC 9457's form of it.
  package func refuse(_ error: HostError) {
    restart()
    isRefusal = true
    let facts = error.code.facts
    if wantsProblem {
      setStatus(facts.status, contentType: "application/problem+json")
      out.append("{\"type\":\"urn:stadion:error:")
      out.append(error.code.rawValue)
      out.append("\",\"title\":")
      out.append(json: facts.meaning)
      out.append(",\"status\":")
      out.append(decimal: facts.status)
      out.append(",\"detail\":")
    } else {
      setStatus(facts.status)
      out.append("{\"error\":")
    }
    out.append(json: error.description)
    out.append(",\"code\":\"")
    out.append(error.code.rawValue)
    out.append("\",\"requestId\":\"")
    appendRequestID(to: out)
    out.append("\"")
    if let tenant = peer?.tenant {
      out.append(",\"tenant\":")
      out.append(json: tenant)
    }
    if let traceID {
      out.append(",\"traceId\":")
      out.append(json: traceID)
    }
    if let deadline {
      out.append(",\"deadline\":")
      out.append(json: deadline)
    }
    if let details = error.details {
      out.append(",\"details\":")
      details.write(to: out)
    }
    out.append("}")
    if let seconds = error.retryAfterSeconds ?? facts.retrySeconds { addHeader("Retry-After", seconds) }
    // RFC 9110 section 11.6.1: a 401 names a way to authenticate.
    if error.code == .unauthenticated { addHeader("WWW-Authenticate", "Bearer") }
  }

  /// Clients of `/v2` read "error" and nothing else.
  private var wantsProblem: Bool {
    guard head.isBelow("/v1/"), let accept = head.value(of: "accept") else { return false }
    return HTTPBytes.accepts(accept, "application/problem+json")
  }
}
