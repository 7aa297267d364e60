import Endpoints
import StadionClient

/// What `stadion serve` is told about metrics, traces and slow requests.
enum Observing {
  static let options: [CommandSpec.Option] = [
    .init("--metrics", value: "on|off", help: "Keep histograms and serve /metrics (default: on)."),
    .init("--metrics-series-limit", value: "N", help: "Sets of histograms; further ones are summed (default: 10000)."),
  ]

  static func observer(_ arguments: Arguments) throws -> Observer {
    var options = Observer.Options()
    switch arguments.value("--metrics") {
    case nil, "on": break
    case "off": options.metrics = false
    case let word?: throw UsageError("--metrics is on or off, not \"\(word)\"")
    }
    options.seriesLimit = try arguments.integer("--metrics-series-limit", in: 0...1_000_000) ?? options.seriesLimit
    return Observer(options)
  }
}
