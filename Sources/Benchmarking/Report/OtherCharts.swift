/// Median latency over throughput: each point is a load, a line a runner.
enum ThroughputChart {
  static func make(_ result: BenchmarkResult) -> String {
    let lines = result.subjects.map { subject in
      subject.loads.map { (rate: $0.requestsPerSecond, ns: $0.latencies.quantile(0.5), label: $0.load.label) }
        .filter { $0.rate > 0 }.sorted { $0.rate < $1.rate }
    }
    let x = Axis(lines.flatMap { $0.map(\.rate) }, logarithmic: false, from: Chart.left, to: Chart.right - 16)
    let y = Axis(lines.flatMap { $0.map(\.ns) }, logarithmic: true, from: Chart.bottom - 8, to: Chart.top + 8)
    var chart = Chart()
    chart.addGrid(x: x, y: y, xLabel: { Format.plain(Format.number($0)) }, yLabel: { Format.plain(Format.time($0)) })
    chart.addTitle(x: "requests/s")
    for (subject, line) in lines.enumerated() {
      let points = line.map { (x: x.place($0.rate), y: y.place($0.ns)) }
      chart.add("<polyline class=\"l\(subject % 6)\" points=\"\(Chart.points(points))\"/>")
      for (point, entry) in zip(points, line) {
        let place = "cx=\"\(Chart.number(point.x))\" cy=\"\(Chart.number(point.y))\""
        chart.add(
          "<circle class=\"f\(subject % 6)\" \(place) r=\"4\"><title>\(HTMLReport.escaped(entry.label))</title></circle>"
        )
      }
    }
    return chart.figure("Median latency by throughput; points are loads")
  }
}

/// A bar a runner.
enum BarChart {
  static func make(_ bars: [(name: String, value: Double, label: String, colour: Int)], _ caption: String) -> String {
    var chart = Chart()
    let most = bars.map(\.value).max() ?? 1
    let room = (Chart.bottom - Chart.top) / Double(max(bars.count, 1))
    let thickness = min(room * 0.5, 22)
    for (index, bar) in bars.enumerated() {
      let middle = Chart.top + room * (Double(index) + 0.5)
      let length = most > 0 ? max(bar.value / most * 320, 1) : 1
      let shown = bar.name.count > 56 ? "\(bar.name.prefix(55))…" : bar.name
      chart.add("<text x=\"4\" y=\"\(Chart.number(middle - thickness / 2 - 4))\">\(HTMLReport.escaped(shown))</text>")
      chart.add(
        "<rect class=\"f\(bar.colour % 6)\" x=\"4\" y=\"\(Chart.number(middle - thickness / 2))\" rx=\"3\" "
          + "width=\"\(Chart.number(length))\" height=\"\(Chart.number(thickness))\"/>")
      chart.add(
        "<text x=\"\(Chart.number(length + 12))\" y=\"\(Chart.number(middle + 4))\">\(HTMLReport.escaped(bar.label))</text>"
      )
    }
    return chart.figure(caption)
  }
}

enum MemoryChart {
  static func make(_ result: BenchmarkResult) -> String {
    let bars = result.subjects.enumerated().compactMap { index, subject in
      subject.peakBytes.map { (name: subject.name, value: Double($0), label: Format.bytes($0), colour: index) }
    }
    return bars.isEmpty ? "" : BarChart.make(bars, "Peak memory of host and runner")
  }
}

/// A bar a runner: of its outputs the one that is furthest off.
enum ParityChart {
  static func make(_ result: BenchmarkResult) -> String {
    let bars = result.subjects.enumerated().dropFirst().compactMap { index, subject in
      subject.parity.filter { $0.problem == nil && $0.maxAbsolute.isFinite }
        .max { $0.maxAbsolute < $1.maxAbsolute }.map { worst in
          (
            name: "\(subject.name), \(worst.name)", value: worst.maxAbsolute,
            label: Format.number(worst.maxAbsolute), colour: index
          )
        }
    }
    return bars.isEmpty ? "" : BarChart.make(bars, "Largest absolute difference from the reference")
  }
}
