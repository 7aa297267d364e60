import Glibc

/// How often each latency occurred, one curve a runner.
enum DistributionChart {
  static func make(_ result: BenchmarkResult, _ index: Int) -> String {
    let loads = result.subjects.map { $0.loads[index] }
    let ends = loads.flatMap { [$0.latencies.quantile(0.001), $0.latencies.quantile(0.995)] }
    let x = Axis(ends, logarithmic: true, from: Chart.left, to: Chart.right)
    // About as many as the requests fill.
    let fewest = loads.map { Double($0.latencies.count) }.min() ?? 0
    let count = min(96, max(12, Int(2 * fewest.squareRoot())))
    let edges = (0...count).map { x.low * pow(x.high / x.low, Double($0) / Double(count)) }
    let shares = loads.map { load in
      load.latencies.shape(from: x.low, to: x.high, edges: edges).map {
        Double($0) / Double(max(load.latencies.count, 1))
      }
    }
    let y = Axis(shares.flatMap { $0 }, logarithmic: false, from: Chart.bottom, to: Chart.top)
    var chart = Chart()
    chart.addGrid(x: x, y: y, xLabel: { Format.plain(Format.time($0)) }, yLabel: { Format.plain(Format.percent($0)) })
    for (subject, share) in shares.enumerated() {
      let line = share.enumerated().map { bin, value in
        (x: x.place((edges[bin] * edges[bin + 1]).squareRoot()), y: y.place(value))
      }
      let area = [(x: Chart.left, y: Chart.bottom)] + line + [(x: Chart.right, y: Chart.bottom)]
      chart.add(
        "<polygon class=\"area l\(subject % HTMLStyle.colourCount) f\(subject % HTMLStyle.colourCount)\" points=\"\(Chart.points(area))\"/>"
      )
    }
    return chart.figure("Share of requests by latency, \(loads[0].load.label)")
  }
}

/// The latency that each share of requests stays below; the tail is as wide as the body.
enum PercentileChart {
  private static let shares = [
    0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.993, 0.995, 0.997, 0.998, 0.999,
    0.9993, 0.9995, 0.9997, 0.9998, 0.9999,
  ]

  static func make(_ result: BenchmarkResult, _ index: Int) -> String {
    let loads = result.subjects.map { $0.loads[index] }
    // A share must stand for at least one request.
    let curves = loads.map { load in
      shares.filter { Double(load.latencies.count) * (1 - $0) >= 1 }
        .map { (nines: 1 / (1 - $0), ns: load.latencies.quantile($0)) }
    }
    let x = Axis(curves.flatMap { $0.map(\.nines) }, logarithmic: true, from: Chart.left, to: Chart.right)
    let y = Axis(curves.flatMap { $0.map(\.ns) }, logarithmic: true, from: Chart.bottom, to: Chart.top)
    var chart = Chart()
    chart.addGrid(x: x, y: y, xLabel: { label($0) }, yLabel: { Format.plain(Format.time($0)) })
    for (subject, curve) in curves.enumerated() {
      let line = curve.map { (x: x.place($0.nines), y: y.place($0.ns)) }
      chart.add("<polyline class=\"l\(subject % HTMLStyle.colourCount)\" points=\"\(Chart.points(line))\"/>")
    }
    return chart.figure("Latency by percentile, \(loads[0].load.label)")
  }

  /// 10 stands for the 90th percentile, 100 for the 99th.
  private static func label(_ nines: Double) -> String {
    let percent = (1 - 1 / nines) * 100
    let text = Format.fixed(percent, percent < 99 ? 0 : percent < 99.9 ? 1 : 2)
    return "p" + (text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
  }
}
