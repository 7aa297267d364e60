import Admission
import Inference
import Routing
import Running
import Serving
import Telemetry
import Tracing
import Wire

/// Writes the families of `/metrics` that are short.
struct MetricsPreamble {
  private let text: MetricsText
  private let out: ByteBuffer

  init(_ text: MetricsText, _ out: ByteBuffer) {
    self.text = text
    self.out = out
  }

  private func write(_ family: MetricsText.Family, _ value: UInt64) {
    text.begin(family, out)
    text.sample(family, [], value, out)
  }

  static func labels(_ pairs: (StaticString, String)...) -> [UInt8] { labels(pairs) }

  private static func labels(_ pairs: [(StaticString, String)]) -> [UInt8] {
    let out = ByteBuffer(capacity: 128)
    for (index, pair) in pairs.enumerated() {
      if index > 0 { out.append(",") }
      out.append(pair.0)
      out.append("=")
      out.append(label: pair.1)
    }
    return Array(out.bytes)
  }

  // MARK: The host

  func host(version: String, _ process: HostProcess) {
    let build = MetricsText.Family("stadion_build_info", .gauge, "1; the label says what runs.")
    text.begin(build, out)
    text.sample(build, Self.labels(("version", version)), 1, out)
    let cpu = MetricsText.Family("process_cpu_seconds", .counter, unit: "seconds", "CPU time, user and system.")
    text.begin(cpu, out)
    text.sample(cpu, [], seconds: process.cpuNs, out)
    let start = MetricsText.Family("process_start_time_seconds", .gauge, unit: "seconds", "Start, since 1970.")
    text.begin(start, out)
    text.sample(start, [], seconds: process.startedMs * 1_000_000, out)
    write(.init("process_resident_memory_bytes", .gauge, unit: "bytes", "Memory in RAM."), process.residentBytes)
    write(.init("process_virtual_memory_bytes", .gauge, unit: "bytes", "Address space."), process.virtualBytes)
    write(.init("process_open_fds", .gauge, "Open file descriptors."), process.openDescriptors)
    write(.init("process_max_fds", .gauge, "Limit of open file descriptors."), process.descriptorLimit)
    write(.init("process_threads", .gauge, "Threads."), process.threads)
  }

  func server(_ server: HTTPServer) {
    write(.init("stadion_connections", .gauge, "Open connections."), UInt64(max(server.connectionCount, 0)))
    let lag = MetricsText.Family(
      "stadion_event_loop_lag_seconds", .histogram, unit: "seconds",
      "Time that a loop was busy between two polls: the longest that a ready socket waited for it.")
    text.begin(lag, out)
    for (index, loop) in server.loops.enumerated() {
      text.histogram(lag, Self.labels(("loop", String(index))), sumNs: loop.times.busyNs, out, loop.times.counts)
    }
  }

  func refused(_ totals: [RefusalReason: UInt64]) {
    let family = MetricsText.Family(
      "stadion_authentication_failures", .counter, "Requests of callers whom nobody knows, by what was wrong.")
    text.begin(family, out)
    for reason in RefusalReason.allCases {
      text.sample(family, Self.labels(("reason", reason.rawValue)), totals[reason] ?? 0, out)
    }
  }

  // MARK: Runners

  /// With the tenant where it has a process of its own and isn't the default one, as models have it.
  private static func labels(of key: RunnerKey, _ more: (StaticString, String)...) -> [UInt8] {
    var pairs: [(StaticString, String)] = [("runner", key.id)]
    if let tenant = key.tenant, tenant != .standard { pairs.append(("tenant", tenant.text)) }
    return labels(pairs + more)
  }

  func runners(_ runners: [RunnerObservation], _ loads: RunnerLoads) {
    let labels = runners.map { Self.labels(of: $0.key) }
    func each(_ family: MetricsText.Family, _ value: (RunnerObservation) -> UInt64) {
      text.begin(family, out)
      for (runner, labels) in zip(runners, labels) { text.sample(family, labels, value(runner), out) }
    }
    let state = MetricsText.Family("stadion_runner_state", .gauge, "1 for the state that a runner is in, else 0.")
    text.begin(state, out)
    for runner in runners {
      for word in RunnerObservation.states {
        text.sample(state, Self.labels(of: runner.key, ("state", word)), runner.state == word ? 1 : 0, out)
      }
    }
    each(.init("stadion_runner_models", .gauge, "Model versions that a runner serves.")) {
      UInt64(loads.models(of: $0.key))
    }
    each(.init("stadion_runner_restarts", .counter, "Starts of a runner's process after the first.")) {
      UInt64($0.history.restarts)
    }
    let crashes = MetricsText.Family(
      "stadion_runner_crashes", .counter,
      "Ends of a runner's process that nobody wanted, by signal; exit: by itself; host: ended by the host.")
    text.begin(crashes, out)
    for runner in runners {
      for (cause, count) in runner.history.ends.sorted(by: { $0.key < $1.key }) {
        text.sample(crashes, Self.labels(of: runner.key, ("signal", cause)), UInt64(count), out)
      }
    }
    let memory = MetricsText.Family(
      "stadion_runner_resident_memory_bytes", .gauge, unit: "bytes",
      "Memory in RAM of a runner's process: engine, loaded models, tensors.")
    text.begin(memory, out)
    for (runner, labels) in zip(runners, labels) {
      guard let pid = runner.processID else { continue }
      text.sample(memory, labels, HostProcess.residentBytes(of: pid), out)
    }
    each(
      .init(
        "stadion_runner_shared_memory_bytes", .gauge, unit: "bytes",
        "Memory shared with a runner's process that requests hold.")
    ) { UInt64(loads.sharedBytes(of: $0.key)) }
  }

  func traces(_ exporter: TraceExporter) {
    let counts = exporter.counts
    write(.init("stadion_traces_exported", .counter, "Traces that the collector has taken."), counts.exported)
    let lost = MetricsText.Family(
      "stadion_traces_dropped", .counter, "Traces that found no room, and those that the collector didn't take.")
    text.begin(lost, out)
    text.sample(lost, Self.labels(("reason", "queue_full")), counts.dropped, out)
    text.sample(lost, Self.labels(("reason", "not_sent")), counts.failed, out)
  }

  func series(_ book: SeriesBook) {
    write(.init("stadion_metrics_series", .gauge, "Sets of histograms that are kept apart."), UInt64(book.count))
    write(.init("stadion_metrics_series_limit", .gauge, "What may be kept apart at most."), UInt64(book.limit))
    write(
      .init(
        "stadion_metrics_series_refused", .counter,
        "Sets of histograms beyond the limit; their requests are counted under the model _others."),
      book.refusedCount)
  }
}
