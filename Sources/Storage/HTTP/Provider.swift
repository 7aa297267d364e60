import Inference
import Synchronization

/// A provider of object storage: sends what a store asks for until it is answered or there is no use in trying.
final class Provider: Sendable {
  /// For messages, as `s3 bucket models at minio.local:9000`.
  let name: String
  private let client: HTTPClient
  private let signer: any RequestSigner
  private let retry: RetryPolicy
  /// Seconds by which the provider's clock is ahead of ours.
  private let clockOffset = Atomic<Int>(0)

  /// Signatures are good for at least this long: 5 minutes at Google, 15 at the others.
  static let allowedSkew = 240
  /// Bytes between two failures that make the second count as the first.
  private static let goodProgress = 1 << 20

  init(name: String, client: HTTPClient, signer: any RequestSigner, retry: RetryPolicy = RetryPolicy()) {
    self.name = name
    self.client = client
    self.signer = signer
    self.retry = retry
  }

  /// Sends a request that is safe to send twice.
  ///
  /// - Parameters:
  ///   - accepted: Statuses to return beside 200...299; all others are thrown.
  ///   - progress: Bytes that `sink` has taken; a transfer that moves on isn't given up.
  ///   - make: Called before each try, as what is wanted may have become less.
  func send(
    _ what: String, _ call: StorageCall, accepting accepted: Set<Int> = [], to sink: HTTPExchange.Sink? = nil,
    progress: () -> Int = { 0 }, _ make: () throws(HostError) -> HTTPRequest
  ) throws(HostError) -> HTTPAnswer {
    let what = "\(name): \(what)"
    var tries = 0
    var totalTries = 0
    var lastProgress = 0
    var mayRefresh = true
    var mayCorrectClock = true
    while true {
      try call.check(what)
      var request = try make()
      let time = CivilTime.now + clockOffset.load(ordering: .relaxed)
      try signer.sign(&request, at: time, call)
      totalTries += 1
      let outcome = Result { () throws(HTTPClient.Failure) in
        try client.send(request, call, what: what, to: sink)
      }
      let error: HostError
      var wanted: Duration?
      switch outcome {
      case .success(let answer):
        guard !accepted.contains(answer.status), let refusal = Refusal(of: answer) else { return answer }
        if refusal.isOfRequester, mayCorrectClock, correctClock(answer, from: time) {
          mayCorrectClock = false
          continue
        }
        if refusal.isOfCredentials, mayRefresh, signer.forgetCredentials() {
          mayRefresh = false
          continue
        }
        error = refusal.error(what)
        guard refusal.isTransient else { throw error }
        wanted = refusal.retryAfter
      case .failure(let failure):
        error = failure.error
        guard failure.isTransient else { throw error }
      }
      if progress() - lastProgress >= Self.goodProgress { tries = 0 }
      lastProgress = progress()
      tries += 1
      guard tries < retry.maxTries else { throw HostError(error.code, "\(error.message) (\(totalTries) tries)") }
      try call.pause(for: retry.pause(after: tries, wanted: wanted), error.message)
    }
  }

  /// Goes by the provider's clock from now on, if ours is what made it refuse.
  private func correctClock(_ answer: HTTPAnswer, from time: CivilTime) -> Bool {
    guard let date = answer.date, abs(date.seconds - time.seconds) > Self.allowedSkew else { return false }
    clockOffset.store(date.seconds - CivilTime.now.seconds, ordering: .relaxed)
    return true
  }
}
