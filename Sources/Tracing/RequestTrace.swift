/// One request that is traced: when each of its stages ended, in nanoseconds of CLOCK_MONOTONIC.
package struct RequestTrace: Sendable {
  /// Nil for a request that is only watched for being slow.
  package var context: TraceContext?
  /// Empty where nobody writes it down.
  package var requestID = ""
  /// 0 = none.
  package var deadlineNs: UInt64 = 0
  package var model: String
  package var version = ""
  /// Whose it is; empty for nobody's.
  package var tenant = ""
  package var runner = ""
  package var device = ""
  /// The HTTP status of the answer.
  package var status = 200
  /// Why it failed; nil if it didn't.
  package var failure: String?
  package var arrivedNs: UInt64
  /// All of the request had been received.
  package var receivedNs: UInt64
  package var endedNs: UInt64 = 0
  /// Nil for what failed before its end.
  package var stages: Stages?

  package struct Stages: Sendable {
    package let parsedNs: UInt64
    package let queueNs: UInt64
    package let runNs: UInt64
    /// The answer's text begins.
    package let ranNs: UInt64
    package let answeredNs: UInt64

    package init(parsedNs: UInt64, queueNs: UInt64, runNs: UInt64, ranNs: UInt64, answeredNs: UInt64) {
      self.parsedNs = parsedNs
      self.queueNs = queueNs
      self.runNs = runNs
      self.ranNs = ranNs
      self.answeredNs = answeredNs
    }
  }

  package init(_ context: TraceContext?, model: String, arrivedNs: UInt64, receivedNs: UInt64) {
    self.context = context
    self.model = model
    self.arrivedNs = arrivedNs
    self.receivedNs = receivedNs
  }

  /// The spans below the request's own, each behind the one before.
  package var parts: [(name: StaticString, beginNs: UInt64, endNs: UInt64)] {
    guard let stages else { return [] }
    let queued = min(stages.parsedNs + stages.queueNs, stages.ranNs)
    return [
      ("receive", arrivedNs, receivedNs), ("compute_input", receivedNs, stages.parsedNs),
      ("queue", stages.parsedNs, queued), ("run", queued, stages.ranNs),
      ("compute_output", stages.ranNs, stages.answeredNs), ("write", stages.answeredNs, endedNs),
    ]
  }
}
