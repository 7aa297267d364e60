import Endpoints
import Inference
import StadionClient
import Tracing

/// What `stadion serve` is told about metrics, traces and slow requests.
enum Observing {
  static let options: [CommandSpec.Option] = [
    .init("--metrics", value: "on|off", help: "Keep histograms and serve /metrics (default: on)."),
    .init("--metrics-series-limit", value: "N", help: "Sets of histograms; further ones are summed (default: 10000)."),
    .init("--trace-endpoint", value: "URL", help: "Send traces by OTLP/HTTP, as http://127.0.0.1:4318."),
    .init("--trace-sample", value: "SHARE", help: "Share of requests that are traced, 0 to 1 (default: 0.01)."),
    .init("--slow-request-ms", value: "N", help: "Log requests that take longer, with their stages; 0 = none."),
  ]

  static func observer(_ arguments: Arguments) throws -> Observer {
    var options = Observer.Options()
    switch arguments.value("--metrics") {
    case nil, "on": break
    case "off": options.metrics = false
    case let word?: throw UsageError("--metrics is on or off, not \"\(word)\"")
    }
    options.seriesLimit = try arguments.integer("--metrics-series-limit", in: 0...1_000_000) ?? options.seriesLimit
    options.slowRequestMs = try arguments.integer("--slow-request-ms", in: 0...86_400_000) ?? options.slowRequestMs
    return Observer(options, tracer: try tracer(arguments))
  }

  private static func tracer(_ arguments: Arguments) throws -> Tracer {
    var share = 0.01
    if let text = arguments.value("--trace-sample") {
      guard let value = Double(text), (0...1).contains(value) else {
        throw UsageError("--trace-sample wants a share from 0 to 1, not \"\(text)\"")
      }
      share = value
    }
    guard let endpoint = arguments.value("--trace-endpoint") else {
      guard arguments.value("--trace-sample") == nil else {
        throw UsageError("--trace-sample goes with --trace-endpoint URL")
      }
      return Tracer()
    }
    do throws(HostError) {
      let collector = try Collector(endpoint: endpoint)
      return Tracer(TraceExporter(collector, serviceVersion: Stadion.version), share: share)
    } catch {
      throw UsageError("--trace-endpoint: \(error.message)")
    }
  }
}
