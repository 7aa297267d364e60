import Admission
import Inference
import Routing
import Running
import Serving
import Telemetry
import Wire

/// `GET /metrics`.
extension Routes {
  func metrics(_ exchange: Exchange) throws(HostError) {
    guard observer.options.metrics else {
      exchange.refuse(HostError(.notFound, "metrics are off; start the host without --no-metrics"))
      return
    }
    let scope = try scope(exchange)
    let text = MetricsText(wantsOpenMetrics(exchange) ? .openMetrics : .prometheus)
    guard let page = MetricsPage(text, self, of: scope) else {
      // Not a wait: whoever asks has a limit of its own, and who reads slowly may hold a place for long.
      exchange.refuse(
        HostError(.overloaded, "\(MetricsPage.limit) readings of /metrics are under way; ask again when one has ended"))
      return
    }
    exchange.setStatus(200, contentType: text.contentType)
    exchange.stream = page
  }

  /// What Accept weighs higher; Prometheus' own format where it says nothing.
  private func wantsOpenMetrics(_ exchange: Exchange) -> Bool {
    guard let accept = exchange.head.value(of: "accept") else { return false }
    var weights: [String: Double] = [:]
    for part in String(decoding: accept, as: UTF8.self).lowercased().split(separator: ",") {
      let words = part.split(separator: ";").map { $0.filter { $0 != " " } }
      guard let type = words.first else { continue }
      let weight = words.first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
      weights[type] = max(weights[type] ?? 0, weight)
    }
    let open = weights["application/openmetrics-text"] ?? 0
    return open > 0 && open >= weights["text/plain"] ?? 0
  }
}
