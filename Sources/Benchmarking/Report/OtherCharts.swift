/// Median latency over throughput: each point is a load, a line a runner and a batch.
enum ThroughputChart {
  private struct Line {
    let colour: Int
    var points: [(rate: Double, ns: Double, label: String)]
  }

  static func make(_ result: BenchmarkResult) -> String {
    let lines = result.subjects.enumerated().flatMap { index, subject in
      result.plan.batches.map { batch in
        let loads = subject.loads.filter { $0.load.batch == batch && $0.load.way == .host && $0.requestsPerSecond > 0 }
        return Line(
          colour: index % HTMLStyle.colourCount,
          points: loads.map { ($0.rowsPerSecond, $0.latencies.quantile(0.5), $0.load.label) }.sorted { $0.0 < $1.0 })
      }
    }
    let all = lines.flatMap(\.points)
    let x = Axis(all.map(\.rate), logarithmic: false, from: Chart.left, to: Chart.right - 16)
    let y = Axis(all.map(\.ns), logarithmic: true, from: Chart.bottom - 8, to: Chart.top + 8)
    var chart = Chart(height: 262)
    chart.addGrid(x: x, y: y, xLabel: { Format.plain(Format.number($0)) }, yLabel: { Format.plain(Format.time($0)) })
    chart.addTitle(x: result.hasBatches ? "rows/s" : "requests/s")
    for line in lines {
      let points = line.points.map { (x: x.place($0.rate), y: y.place($0.ns)) }
      chart.add("<polyline class=\"l\(line.colour)\" points=\"\(Chart.points(points))\"/>")
      for (point, entry) in zip(points, line.points) {
        let place = "cx=\"\(Chart.number(point.x))\" cy=\"\(Chart.number(point.y))\""
        chart.add(
          "<circle class=\"f\(line.colour)\" \(place) r=\"4\"><title>\(HTMLReport.escaped(entry.label))</title></circle>"
        )
      }
    }
    return chart.figure("Median latency by throughput; points are loads")
  }
}

/// A bar a runner, each with its name above it.
enum BarChart {
  private static let row = 48.0
  private static let thickness = 18.0
  private static let longest = 230.0  // leaves room for the label behind it

  static func make(_ bars: [(name: String, value: Double, label: String, colour: Int)], _ caption: String) -> String {
    var chart = Chart(height: row * Double(bars.count))
    let most = bars.map(\.value).max() ?? 1
    for (index, bar) in bars.enumerated() {
      let top = row * Double(index) + 20
      let length = most > 0 ? max(bar.value / most * longest, 1) : 1
      chart.add(
        "<text x=\"0\" y=\"\(Chart.number(top - 6))\">\(HTMLReport.escaped(Chart.shortened(bar.name)))</text>")
      chart.add(
        "<rect class=\"f\(bar.colour % HTMLStyle.colourCount)\" x=\"0\" y=\"\(Chart.number(top))\" rx=\"3\" "
          + "width=\"\(Chart.number(length))\" height=\"\(thickness)\"/>")
      chart.add(
        "<text x=\"\(Chart.number(length + 8))\" y=\"\(Chart.number(top + 14))\">\(HTMLReport.escaped(bar.label))</text>"
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
