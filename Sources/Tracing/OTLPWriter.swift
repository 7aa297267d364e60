import Wire

/// Writes spans as the JSON of OTLP 1.x (opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest).
///
/// Ids are hexadecimal and 64-bit integers strings, as OTLP wants against protobuf's own mapping.
struct OTLPWriter {
  /// What is sent with every batch.
  let serviceVersion: String
  let instance: String

  private enum SpanKind { static let `internal` = 1, server = 2 }
  private enum StatusCode { static let error = 2 }

  /// - Parameters:
  ///   - offsetNs: From CLOCK_MONOTONIC to the time since 1970.
  ///   - numbers: For the ids of the parts.
  func write(_ traces: [RequestTrace], offsetNs: UInt64, _ numbers: inout TraceNumbers, to out: ByteBuffer) {
    out.append("{\"resourceSpans\":[{\"resource\":{\"attributes\":[")
    attribute("service.name", "stadion", out)
    out.append(",")
    attribute("service.version", serviceVersion, out)
    out.append(",")
    attribute("service.instance.id", instance, out)
    out.append("]},\"scopeSpans\":[{\"scope\":{\"name\":\"stadion\",\"version\":")
    out.append(json: serviceVersion)
    out.append("},\"spans\":[")
    var isFirst = true
    for trace in traces {
      guard let context = trace.context else { continue }
      if !isFirst { out.append(",") }
      isFirst = false
      request(trace, context, offsetNs, out)
      for part in trace.parts where part.endNs >= part.beginNs {
        out.append(",")
        begin(context, numbers.next(), parent: context.spanID, out)
        out.append("\"name\":\"")
        out.append(part.name)
        out.append("\",")
        times(SpanKind.internal, part.beginNs &+ offsetNs, part.endNs &+ offsetNs, out)
        out.append("}")
      }
    }
    out.append("]}]}]}")
  }

  private func request(_ trace: RequestTrace, _ context: TraceContext, _ offsetNs: UInt64, _ out: ByteBuffer) {
    begin(context, context.spanID, parent: context.parentSpanID, out)
    if !context.state.isEmpty {
      out.append("\"traceState\":")
      out.append(json: context.state)
      out.append(",")
    }
    out.append("\"name\":")
    out.append(json: "infer \(trace.model)")
    out.append(",")
    times(SpanKind.server, trace.arrivedNs &+ offsetNs, trace.endedNs &+ offsetNs, out)
    out.append(",\"attributes\":[")
    attribute("stadion.model", trace.model, out)
    for (key, value) in [
      ("stadion.model.version", trace.version), ("stadion.tenant", trace.tenant), ("stadion.runner", trace.runner),
      ("stadion.device", trace.device),
    ] where !value.isEmpty {
      out.append(",")
      attribute(key, value, out)
    }
    out.append(",{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"")
    out.append(decimal: trace.status)
    out.append("\"}}]")
    if let failure = trace.failure {
      out.append(",\"status\":{\"code\":")
      out.append(decimal: StatusCode.error)
      out.append(",\"message\":")
      out.append(json: failure)
      out.append("}")
    }
    out.append("}")
  }

  private func begin(_ context: TraceContext, _ spanID: UInt64, parent: UInt64?, _ out: ByteBuffer) {
    out.append("{\"traceId\":\"")
    out.append(context.traceID)
    out.append("\",\"spanId\":\"")
    out.append(hex: spanID)
    if let parent {
      out.append("\",\"parentSpanId\":\"")
      out.append(hex: parent)
    }
    out.append("\",")
  }

  private func times(_ kind: Int, _ beginNs: UInt64, _ endNs: UInt64, _ out: ByteBuffer) {
    out.append("\"kind\":")
    out.append(decimal: kind)
    out.append(",\"startTimeUnixNano\":\"")
    out.append(decimal: beginNs)
    out.append("\",\"endTimeUnixNano\":\"")
    out.append(decimal: endNs)
    out.append("\"")
  }

  private func attribute(_ key: String, _ value: String, _ out: ByteBuffer) {
    out.append("{\"key\":")
    out.append(json: key)
    out.append(",\"value\":{\"stringValue\":")
    out.append(json: value)
    out.append("}}")
  }
}
