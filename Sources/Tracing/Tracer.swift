/// Decides which requests are traced, and hands those on. Any thread.
package final class Tracer: Sendable {
  package let settings: TraceSettings
  /// Nil where no collector was named: nothing can be traced then.
  package let exporter: TraceExporter?

  package init(_ exporter: TraceExporter? = nil, share: Double = 0.01) {
    self.exporter = exporter
    settings = TraceSettings(isOn: exporter != nil, share: share)
  }

  /// Whether anything may be traced: one load.
  @inline(__always)
  package var isOn: Bool { settings.isOn }

  /// Where a request stands; nil if nobody is to be told of it.
  ///
  /// - Parameters:
  ///   - parent: The value of `traceparent`; nil without one.
  ///   - state: The value of `tracestate`; nil without one.
  package func context(
    model: String, parent: UnsafeRawBufferPointer?, state: UnsafeRawBufferPointer?, _ numbers: inout TraceNumbers
  ) -> TraceContext? {
    let known = parent.flatMap { TraceContext.Parent($0) }
    let isSampled = settings.takes(model, parent: known?.isSampled, random: numbers.next())
    guard isSampled || known != nil else { return nil }
    let traceID = known?.traceID ?? TraceContext.TraceID(high: numbers.next(), low: numbers.next())
    // The specification lets receivers drop a state that is longer than this, and one without a parent.
    let kept = known == nil ? nil : state.flatMap { $0.count <= 512 ? $0 : nil }
    return TraceContext(
      traceID: traceID, spanID: numbers.next(), parentSpanID: known?.spanID, isSampled: isSampled,
      state: kept.map { String(decoding: $0, as: UTF8.self) } ?? "")
  }
}
