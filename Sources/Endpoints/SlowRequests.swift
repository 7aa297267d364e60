import CLinux
import Serving
import Synchronization
import Telemetry
import Tracing

/// Logs requests that took longer than a limit, with the times of their stages. Any thread.
final class SlowRequests: Sendable {
  private let limitNs: UInt64
  /// The second in which lines were last written, and how many.
  private let second = Atomic<UInt64>(0)
  private let lines = Atomic<Int>(0)
  private let unsaid = Atomic<Int>(0)

  /// A line is a write to standard error, which must not become what makes requests slow.
  private static let linesPerSecond = 20

  init(limitMs: Int) { limitNs = UInt64(limitMs) * 1_000_000 }

  @inline(__always)
  var isOn: Bool { limitNs > 0 }

  func note(_ trace: RequestTrace) {
    let total = trace.endedNs - min(trace.arrivedNs, trace.endedNs)
    guard total >= limitNs else { return }
    guard mayWrite(trace.endedNs / 1_000_000_000) else {
      unsaid.wrappingAdd(1, ordering: .relaxed)
      return
    }
    var fields = [
      ("requestId", trace.requestID), ("tenant", trace.tenant), ("model", trace.model), ("version", trace.version),
      ("runner", trace.runner), ("device", trace.device),
      ("status", String(trace.status)), ("total_ms", Self.ms(total)),
    ]
    for part in trace.parts { fields.append(("\(part.name)_ms", Self.ms(part.endNs - min(part.beginNs, part.endNs)))) }
    if let deadline = Exchange.timeOfDay(trace.deadlineNs) { fields.append(("deadline", deadline)) }
    if let reason = trace.failure { fields.append(("reason", reason)) }
    if let context = trace.context { fields.append(("traceId", context.traceIDText)) }
    let others = unsaid.exchange(0, ordering: .relaxed)
    if others > 0 { fields.append(("unsaid", String(others))) }
    Log.write(.warning, { "a slow request" }, fields)
  }

  private func mayWrite(_ now: UInt64) -> Bool {
    if second.exchange(now, ordering: .relaxed) != now { lines.store(0, ordering: .relaxed) }
    return lines.wrappingAdd(1, ordering: .relaxed).newValue <= Self.linesPerSecond
  }

  /// Milliseconds with three digits behind the point.
  private static func ms(_ nanoseconds: UInt64) -> String {
    let micros = nanoseconds / 1000
    let rest = String(micros % 1000)
    return "\(micros / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
  }
}
