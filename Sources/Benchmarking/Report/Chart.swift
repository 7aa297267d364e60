import Glibc

/// One axis: values onto pixels, and where its lines stand.
struct Axis {
  let low: Double
  let high: Double
  let isLogarithmic: Bool
  /// Pixels of `low` and `high`.
  let from: Double
  let to: Double

  init(_ values: [Double], logarithmic: Bool, from: Double, to: Double) {
    let usable = values.filter { $0.isFinite && (!logarithmic || $0 > 0) }
    var low = usable.min() ?? (logarithmic ? 1 : 0)
    var high = usable.max() ?? 1
    if logarithmic {
      // At least a factor of two, or there is nothing to see.
      if high / low < 2 { (low, high) = ((low * high / 2).squareRoot(), (low * high * 2).squareRoot()) }
    } else {
      low = min(low, 0)
      if high <= low { high = low + 1 }
    }
    self.low = low
    self.high = high
    self.isLogarithmic = logarithmic
    self.from = from
    self.to = to
  }

  func place(_ value: Double) -> Double {
    let clamped = min(max(value, low), high)
    let share = isLogarithmic ? log(clamped / low) / log(high / low) : (clamped - low) / (high - low)
    return from + share * (to - from)
  }

  /// Round values: 1, 2 and 5 of each power of ten, no more than fit.
  var ticks: [Double] {
    if isLogarithmic {
      let powers = Int(floor(log10(low)))...Int(ceil(log10(high)))
      // Finer steps where the axis spans little, powers of ten alone where it spans much.
      for steps in [[1], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8]] {
        let all = powers.flatMap { power in steps.map { $0 * pow(10, Double(power)) } }
          .filter { $0 >= low * 0.999 && $0 <= high * 1.001 }
        if all.count >= 4 || steps.count > 3 { return all }
      }
    }
    let rough = (high - low) / 5
    let unit = pow(10, floor(log10(rough)))
    let step = ([1, 2, 5, 10].first { $0 * unit >= rough } ?? 10) * unit
    return (0...Int((high - low) / step)).map { low + Double($0) * step }
  }
}

/// A drawing with two axes.
struct Chart {
  static let width = 480.0
  static let height = 250.0
  static let left = 62.0
  static let right = 452.0
  static let top = 10.0
  static let bottom = 216.0

  private var parts: [String] = []

  mutating func add(_ part: String) { parts.append(part) }

  mutating func addGrid(x: Axis, y: Axis, xLabel: (Double) -> String, yLabel: (Double) -> String) {
    for tick in x.ticks {
      let place = Self.number(x.place(tick))
      add("<line class=\"grid\" x1=\"\(place)\" x2=\"\(place)\" y1=\"\(Self.top)\" y2=\"\(Self.bottom)\"/>")
      add(
        "<text x=\"\(place)\" y=\"\(Self.bottom + 15)\" text-anchor=\"middle\">\(HTMLReport.escaped(xLabel(tick)))</text>"
      )
    }
    for tick in y.ticks {
      let place = y.place(tick)
      add(
        "<line class=\"grid\" x1=\"\(Self.left)\" x2=\"\(Self.right)\" y1=\"\(Self.number(place))\" y2=\"\(Self.number(place))\"/>"
      )
      add(
        "<text x=\"\(Self.left - 6)\" y=\"\(Self.number(place + 4))\" text-anchor=\"end\">\(HTMLReport.escaped(yLabel(tick)))</text>"
      )
    }
  }

  mutating func addTitle(x text: String) {
    add("<text x=\"\((Self.left + Self.right) / 2)\" y=\"\(Self.height - 4)\" text-anchor=\"middle\">\(text)</text>")
  }

  /// The figure, with a caption that says what is seen.
  func figure(_ caption: String) -> String {
    let text = HTMLReport.escaped(caption)
    return "<figure><svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" aria-label=\"\(text)\">"
      + parts.joined() + "</svg><figcaption>\(text)</figcaption></figure>"
  }

  static func number(_ value: Double) -> String { Format.fixed(value, 1) }

  static func points(_ points: [(x: Double, y: Double)]) -> String {
    points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
  }
}
