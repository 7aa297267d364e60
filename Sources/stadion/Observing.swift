import Configuration
import Endpoints
import Inference
import StadionClient
import Tracing

/// What a host tells of itself: metrics, traces and slow requests.
enum Observing {
  static func observer(_ settings: HostSettings) throws -> Observer {
    Observer(settings.observing, tracer: try tracer(settings))
  }

  private static func tracer(_ settings: HostSettings) throws -> Tracer {
    guard let endpoint = settings.traceEndpoint else { return Tracer() }
    do throws(HostError) {
      let collector = try Collector(endpoint: endpoint)
      return Tracer(TraceExporter(collector, serviceVersion: Stadion.version), share: settings.traceShare)
    } catch {
      throw UsageError("--trace-endpoint (tracing.endpoint): \(error.message)")
    }
  }
}

extension HostSettings {
  static let observing: [HostKey] = [
    .bool(
      "observing.metrics", \.observing.metrics, "Keep histograms and serve /metrics.",
      off: "Keep no histograms and serve no /metrics."),
    .integer(
      "observing.metricsSeriesLimit", 0...1_000_000, \.observing.seriesLimit,
      "Sets of histograms; further ones are summed."),
    .integer(
      "observing.metricsTenantLimit", 0...1_000_000, \.observing.tenantLimit,
      "Tenants that metrics tell apart; further ones are summed."),
    .integer(
      "observing.slowRequestMs", 0...86_400_000, \.observing.slowRequestMs,
      "Log requests that take longer, with their stages. 0 = none."),
    .text(
      "tracing.endpoint", "URL", \.traceEndpoint, standard: "no traces", flag: "--trace-endpoint",
      "Send traces by OTLP/HTTP, as http://127.0.0.1:4318."),
    .number(
      "tracing.sample", 0...1, \.traceShare, flag: "--trace-sample", "Share of requests that are traced, 0 to 1."),
  ]
}
