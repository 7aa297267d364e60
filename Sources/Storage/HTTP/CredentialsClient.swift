import Inference
import Wire

/// Asks for credentials: this machine's metadata service, or a token endpoint.
struct CredentialsClient: Sendable {
  private let client: HTTPClient
  private let retry = RetryPolicy()
  private let maxTries = 3

  /// - Parameter isLocal: The service is this machine's own and no proxy knows it.
  init(isLocal: Bool, caFile: String? = nil) throws(HostError) {
    client = try HTTPClient(caFile: caFile, isDirect: isLocal, stalledSeconds: 10)
  }

  /// The answer's body, of status 200.
  func send(_ request: HTTPRequest, _ what: String, _ call: StorageCall) throws(HostError) -> [UInt8] {
    try send(what, call) { (_) throws(HostError) in request }
  }

  /// - Parameter make: Makes the request for a time: ours and, where that is what was refused, the server's.
  private func send(
    _ what: String, _ call: StorageCall, _ make: (CivilTime) throws(HostError) -> HTTPRequest
  ) throws(HostError) -> [UInt8] {
    var tries = 0
    var clockOffset = 0
    while true {
      let time = CivilTime.now + clockOffset
      let request = try make(time)
      tries += 1
      var error: HostError
      var isTransient: Bool
      switch Result(catching: { () throws(HTTPClient.Failure) in
        // Where there is no such service, its address leads nowhere.
        try client.send(request, connectMs: 2000, call, what: what)
      }) {
      case .success(let answer):
        if answer.status == 200 { return answer.body }
        if (400...403).contains(answer.status), clockOffset == 0, let date = answer.date,
          abs(date.seconds - time.seconds) > Provider.allowedSkew
        {
          // From when the answer came, not from when it was asked for; and a second less, as both are cut to whole
          // ones. Who is asked for a token refuses what is signed in the future.
          clockOffset = date.seconds - CivilTime.now.seconds - 1
          continue
        }
        // The body may repeat what was sent.
        error = HostError(.storageRefused, "\(what): \(request.address.host) answers \(answer.status)")
        isTransient = answer.status == 429 || answer.status >= 500
      case .failure(let failure): (error, isTransient) = (failure.error, failure.isTransient)
      }
      guard isTransient, tries < maxTries else { throw error }
      try call.pause(for: retry.pause(after: tries, wanted: nil), error.message)
    }
  }

  func json(_ request: HTTPRequest, _ what: String, _ call: StorageCall) throws(HostError) -> JSONValue {
    try json(what, call) { (_) throws(HostError) in request }
  }

  func json(
    _ what: String, _ call: StorageCall, _ make: (CivilTime) throws(HostError) -> HTTPRequest
  ) throws(HostError) -> JSONValue {
    let body = try send(what, call, make)
    do throws(JSONError) { return try JSONValue(parsing: body) } catch {
      throw HostError(.storageRefused, "\(what): the answer is no JSON")
    }
  }
}
