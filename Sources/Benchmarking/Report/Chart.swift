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

/// A drawing, with axes or without.
struct Chart {
  static let width = 480.0
  static let left = 66.0
  static let right = 456.0
  static let top = 10.0
  static let bottom = 216.0
  /// Of a character and a line in the largest text that the style has: labels that would touch are left out.
  private static let characterWidth = 8.4
  private static let lineHeight = 17.0

  private let height: Double
  private var parts: [String] = []

  init(height: Double = 242) { self.height = height }

  mutating func add(_ part: String) { parts.append(part) }

  mutating func addLine(_ style: String, _ from: (x: Double, y: Double), _ to: (x: Double, y: Double)) {
    add(
      "<line class=\"\(style)\" x1=\"\(Self.number(from.x))\" x2=\"\(Self.number(to.x))\" y1=\"\(Self.number(from.y))\" "
        + "y2=\"\(Self.number(to.y))\"/>")
  }

  mutating func addGrid(x: Axis, y: Axis, xLabel: (Double) -> String, yLabel: (Double) -> String) {
    addGrid(x: x, from: Self.top, to: Self.bottom, xLabel)
    var lowest = Double.infinity
    for tick in y.ticks {
      let place = y.place(tick)
      addLine("grid", (Self.left, place), (Self.right, place))
      guard (lowest - place).magnitude >= Self.lineHeight else { continue }
      lowest = place
      add(
        "<text x=\"\(Self.left - 6)\" y=\"\(Self.number(place + 4))\" text-anchor=\"end\">"
          + "\(HTMLReport.escaped(yLabel(tick)))</text>")
    }
  }

  /// The vertical lines alone, with their labels below.
  mutating func addGrid(x: Axis, from top: Double, to bottom: Double, _ label: (Double) -> String) {
    var end = -Double.infinity
    for tick in x.ticks {
      let place = x.place(tick)
      addLine("grid", (place, top), (place, bottom))
      let text = label(tick)
      let half = Double(text.count) * Self.characterWidth / 2
      guard place - half > end + 4, place - half >= 0, place + half <= Self.width else { continue }
      end = place + half
      add(
        "<text x=\"\(Self.number(place))\" y=\"\(Self.number(bottom + 20))\" text-anchor=\"middle\">"
          + "\(HTMLReport.escaped(text))</text>")
    }
  }

  mutating func addTitle(x text: String) {
    add("<text x=\"\((Self.left + Self.right) / 2)\" y=\"\(height - 4)\" text-anchor=\"middle\">\(text)</text>")
  }

  /// The figure, with a caption that says what is seen.
  func figure(_ caption: String) -> String {
    let text = HTMLReport.escaped(caption)
    return
      "<figure><figcaption>\(text)</figcaption><svg viewBox=\"0 0 \(Int(Self.width)) \(Int(height))\" role=\"img\" "
      + "aria-label=\"\(text)\">\(parts.joined())</svg></figure>"
  }

  static func number(_ value: Double) -> String { Format.fixed(value, 1) }

  /// A name that fits the width of a drawing, with what follows it whole.
  static func shortened(_ name: String, _ tail: String = "") -> String {
    let room = max(54 - tail.count, 12)
    return name.count > room ? "\(name.prefix(room - 1))…\(tail)" : name + tail
  }

  static func points(_ points: [(x: Double, y: Double)]) -> String {
    points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
  }
}
