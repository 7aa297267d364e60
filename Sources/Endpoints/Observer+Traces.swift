import Admission
import CLinux
import Inference
import Routing
import Running
import Serving
import Telemetry
import Tracing
import Wire

/// Traces, and the log of slow requests.
extension Observer {
  /// Sends what is left of traces; for up to two seconds.
  package func stop() { tracer.exporter?.stop(timeoutMs: 2000) }

  /// Notes the stages of a request that may be told of, and tells its sender where it stands.
  @inline(never)
  func follow(
    _ exchange: Exchange, _ model: LoadedModel, _ served: ServedVersion, _ answer: ModelStatistics.Answer
  ) {
    guard let scratch = exchange.scratch.map({ unsafeDowncast($0, to: InferScratch.self) }) else { return }
    let context = context(exchange, served.key, &scratch.traceNumbers)
    guard context?.isSampled == true || slow.isOn else { return }
    var trace = RequestTrace(
      context, model: served.model, arrivedNs: min(exchange.arrivedNs, answer.startNs), receivedNs: answer.startNs)
    trace.version = served.version
    trace.tenant = served.tenant.text
    identify(exchange, in: &trace)
    trace.runner = model.runnerID
    trace.device = model.device.name
    trace.stages = RequestTrace.Stages(
      parsedNs: answer.startNs + answer.inputNs, queueNs: answer.queueNs, runNs: answer.runNs,
      ranNs: answer.endNs - answer.outputNs, answeredNs: answer.endNs)
    scratch.trace = trace
  }

  /// The answer has been sent, or couldn't be.
  @inline(__always)
  func sent(_ scratch: InferScratch) {
    guard scratch.trace != nil else { return }
    tell(scratch)
  }

  @inline(never)
  private func tell(_ scratch: InferScratch) {
    guard var trace = scratch.trace else { return }
    scratch.trace = nil
    trace.endedNs = linux_now_ns()
    tell(trace)
  }

  private func tell(_ trace: RequestTrace) {
    if trace.context?.isSampled == true { tracer.exporter?.submit(trace) }
    if slow.isOn { slow.note(trace) }
  }

  /// A request has been refused, or has failed.
  func failed(_ exchange: Exchange, _ error: HostError) {
    guard tracer.isOn || slow.isOn else { return }
    guard let path = ModelPath(exchange.head.pathBytes), path.asks(for: "infer") else { return }
    let name = String(decoding: path.name, as: UTF8.self)
    // Nobody's, if its sender is unknown.
    let tenant = exchange.knownTenant
    var numbers = TraceNumbers()
    let context = context(exchange, ModelKey.text(tenant ?? .standard, name), &numbers)
    guard context?.isSampled == true || slow.isOn else { return }
    var trace = RequestTrace(context, model: name, arrivedNs: exchange.arrivedNs, receivedNs: exchange.arrivedNs)
    trace.tenant = tenant?.text ?? ""
    identify(exchange, in: &trace)
    trace.status = exchange.status
    trace.failure = error.description
    trace.endedNs = linux_now_ns()
    tell(trace)
  }

  /// For a line of the log, which is written when the request's bytes have gone.
  private func identify(_ exchange: Exchange, in trace: inout RequestTrace) {
    guard slow.isOn else { return }
    trace.requestID = exchange.requestID
    trace.deadlineNs = exchange.deadlineNs
  }

  private func context(_ exchange: Exchange, _ model: String, _ numbers: inout TraceNumbers) -> TraceContext? {
    guard tracer.isOn else { return nil }
    let head = exchange.head
    let parent = head.count(of: "traceparent") == 1 ? head.value(of: "traceparent") : nil
    guard let context = tracer.context(model: model, parent: parent, state: head.value(of: "tracestate"), &numbers)
    else { return nil }
    let text = ByteBuffer(capacity: 64)
    context.writeParent(to: text)
    exchange.addHeader("traceparent", bytes: text.bytes)
    if !context.state.isEmpty, let state = head.value(of: "tracestate") {
      exchange.addHeader("tracestate", bytes: state)
    }
    return context
  }
}
