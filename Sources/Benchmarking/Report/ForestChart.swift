import Glibc

/// Each verdict as the interval that it rests on, beside 1 and the differences that count as none.
enum ForestChart {
  private static let row = 44.0

  static func make(_ result: BenchmarkResult) -> String {
    let rows = result.comparisons.compactMap { comparison in comparison.latency.map { (comparison, $0) } }
    guard !rows.isEmpty else { return "" }
    let border = 1 + result.plan.leastEffect
    let bottom = Chart.top + row * Double(rows.count)
    // An interval that says nothing reaches to the edge, and doesn't press the others together.
    let estimates = rows.map(\.1.estimate) + [1]
    let (least, most) = ((estimates.min() ?? 1) / 4, (estimates.max() ?? 1) * 4)
    let ends = rows.flatMap { [max($0.1.low, least), min($0.1.high, most)] }
    let x = Axis(ends + [1 / border, border], logarithmic: true, from: 12, to: Chart.width - 12)
    var chart = Chart(height: bottom + 26)
    let (low, high) = (x.place(1 / border), x.place(border))
    chart.add(
      "<rect class=\"band\" x=\"\(Chart.number(low))\" y=\"\(Chart.top)\" width=\"\(Chart.number(max(high - low, 1)))\" "
        + "height=\"\(Chart.number(bottom - Chart.top))\"/>")
    chart.addGrid(x: x, from: Chart.top, to: bottom) { "\(Format.plain(Format.number($0))) ×" }
    chart.addLine("one", (x.place(1), Chart.top), (x.place(1), bottom))
    for (index, (comparison, interval)) in rows.enumerated() {
      let middle = Chart.top + row * (Double(index) + 0.68)
      let colour = (result.subjects.firstIndex { $0.name == comparison.subject } ?? 0) % HTMLStyle.colourCount
      let name = HTMLReport.escaped(Chart.shortened(comparison.subject, ", \(comparison.load.label)"))
      chart.add("<text x=\"12\" y=\"\(Chart.number(middle - 11))\">\(name)</text>")
      chart.addLine("whisker l\(colour)", (x.place(interval.low), middle), (x.place(interval.high), middle))
      for end in [interval.low, interval.high] {
        chart.addLine("whisker l\(colour)", (x.place(end), middle - 5), (x.place(end), middle + 5))
      }
      chart.add(
        "<circle class=\"f\(colour)\" cx=\"\(Chart.number(x.place(interval.estimate)))\" cy=\"\(Chart.number(middle))\" "
          + "r=\"5\"/>")
    }
    let shown = Format.plain(Format.percent(result.plan.leastEffect))
    return chart.figure(
      "Median time by \(result.subjects[0].name)'s: left of 1 is faster; the band is ± \(shown), which counts as none")
  }
}

/// The rounds one after the other: what drifted, and what was disturbed.
enum RoundsChart {
  static func make(_ result: BenchmarkResult, _ index: Int) -> String {
    let loads = result.subjects.map { $0.loads[index] }
    let count = loads.map(\.roundMedians.count).max() ?? 0
    guard count > 1 else { return "" }
    let x = Axis([0, Double(count)], logarithmic: false, from: Chart.left, to: Chart.right)
    let y = Axis(loads.flatMap(\.roundMedians), logarithmic: true, from: Chart.bottom, to: Chart.top)
    var chart = Chart()
    chart.addGrid(x: x, y: y, xLabel: { Format.plain(Format.number($0)) }, yLabel: { Format.plain(Format.time($0)) })
    for (subject, load) in loads.enumerated() {
      let line = load.roundMedians.enumerated().filter { $0.element > 0 }
        .map { (x: x.place(Double($0.offset) + 0.5), y: y.place($0.element)) }
      let colour = subject % HTMLStyle.colourCount
      chart.add("<polyline class=\"thin l\(colour)\" points=\"\(Chart.points(line))\"/>")
    }
    return chart.figure("Median latency round by round, \(loads[0].load.label)")
  }
}

/// What each way to a runner takes, the call in process first.
enum WayChart {
  static func make(_ result: BenchmarkResult, _ costs: [WayCost]) -> String {
    let bars = costs.map { cost in
      let added = cost.addedNs.map { ", \(text($0))" } ?? ""
      let row = Rows.ways([cost])[0]
      return (
        name: Chart.shortened(cost.subject, ", \(row[1])"), value: cost.medianNs,
        label: Format.time(cost.medianNs) + added,
        colour: result.subjects.firstIndex { $0.name == cost.subject } ?? 0
      )
    }
    return bars.isEmpty ? "" : BarChart.make(bars, "Median latency by way, and what it adds to the call in process")
  }

  private static func text(_ added: Interval) -> String {
    if added.low <= 0, added.high >= 0 { return "no difference seen" }
    return (added.estimate < 0 ? "" : "+") + Format.time(added.estimate)
  }
}
