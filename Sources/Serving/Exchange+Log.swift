import CLinux
package import Telemetry
import Tracing

extension Exchange {
  /// What every line of the log about it names.
  package var logFields: [(String, String)] {
    var fields = [("requestId", requestID)]
    if let tenant = peer?.tenant { fields.append(("tenant", tenant)) }
    if let traceID { fields.append(("traceId", traceID)) }
    if let deadline { fields.append(("deadline", deadline)) }
    return fields
  }

  /// The same for lines that are written while it is answered; only requests for a run have a deadline.
  package var logContext: Log.RequestContext {
    Log.RequestContext(id: requestID, tenant: peer?.tenant, traceID: traceID)
  }

  /// Of the trace that its sender is in, 32 digits; nil without a `traceparent` that says so.
  package var traceID: String? {
    guard head.count(of: "traceparent") == 1, let value = head.value(of: "traceparent") else { return nil }
    return TraceContext.Parent(value)?.traceIDText
  }

  /// When it is to be answered, as the time of day; nil where nobody has said so yet.
  package var deadline: String? { Self.timeOfDay(deadlineNs) }

  /// The time of day of a deadline; nil for 0.
  package static func timeOfDay(_ deadlineNs: UInt64) -> String? {
    guard deadlineNs > 0 else { return nil }
    let leftMs = (Int(clamping: deadlineNs) - Int(clamping: linux_now_ns())) / 1_000_000
    return WallClock.text(ms: max(0, WallClock.nowMs + leftMs))
  }
}
