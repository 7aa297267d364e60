import Inference
package import StadionClient

/// How far one output of a runner is from the reference's.
package struct OutputParity: Sendable, Equatable {
  package let name: String
  package var elementCount = 0
  package var maxAbsolute = 0.0
  package var meanAbsolute = 0.0
  /// Of |difference| / |reference|, where the reference isn't 0.
  package var maxRelative = 0.0
  package var meanRelative = 0.0
  /// Representable numbers between the two at most; only floats have them.
  package var maxULP: UInt64?
  /// 1 for equal directions; nil where one side is all zeros.
  package var cosine: Double?
  /// Share of rows along the last axis whose highest element is the same; nil without rows.
  package var top1: Double?
  /// Mean share of the five highest elements that both have; nil for rows of at most five.
  package var top5: Double?
  /// Elements beyond the tolerance.
  package var beyond = 0
  /// Elements that relative errors, and rows that `top1` and `top5` are means of.
  var relativeCount = 0
  var rowCount = 0
  /// The sample that is furthest off, where there are several.
  package var worst: String?
  /// What can't be compared: a missing output, another type or shape.
  package var problem: String?

  package init(name: String) { self.name = name }

  package var passes: Bool { problem == nil && beyond == 0 }
}

/// What counts as the same: |difference| <= absolute + relative * |reference|; other types than floats must be equal.
package struct Tolerance: Sendable, Equatable {
  package var relative: Double
  package var absolute: Double

  package init(relative: Double = 1e-3, absolute: Double = 1e-4) {
    self.relative = relative
    self.absolute = absolute
  }
}

/// Compares a runner's outputs with the reference's, output by output.
package enum Parity {
  package static func compare(
    _ outputs: [DenseTensor], with reference: [DenseTensor], tolerance: Tolerance
  ) -> [OutputParity] {
    var results = reference.map { expected -> OutputParity in
      guard let found = outputs.first(where: { $0.name == expected.name }) else {
        var result = OutputParity(name: expected.name)
        result.problem = "is missing"
        return result
      }
      return compare(found, expected, tolerance)
    }
    for output in outputs where !reference.contains(where: { $0.name == output.name }) {
      var result = OutputParity(name: output.name)
      result.problem = "is none of the reference's"
      results.append(result)
    }
    return results
  }

  private static func compare(_ found: DenseTensor, _ expected: DenseTensor, _ tolerance: Tolerance) -> OutputParity {
    var result = OutputParity(name: expected.name)
    result.elementCount = expected.elementCount ?? 0
    if found.elementType != expected.elementType {
      result.problem = "is \(found.elementType.protocolName), the reference's is \(expected.elementType.protocolName)"
    } else if found.shape != expected.shape {
      result.problem = "has shape \(found.shape), the reference's \(expected.shape)"
    } else if expected.elementType == .utf8 {
      let (a, b) = ((try? found.byteElements()) ?? [], (try? expected.byteElements()) ?? [])
      result.beyond = zip(a, b).count { $0 != $1 } + abs(a.count - b.count)
    } else {
      numbers(found, expected, tolerance, &result)
    }
    return result
  }

  private static func numbers(
    _ found: DenseTensor, _ expected: DenseTensor, _ tolerance: Tolerance, _ result: inout OutputParity
  ) {
    var a: [Double] = []
    var b: [Double] = []
    found.forEachNumber { a.append($0) }
    expected.forEachNumber { b.append($0) }
    let isFloat = [.f32, .f64, .f16, .bf16].contains(expected.elementType)
    var sums = (absolute: 0.0, relative: 0.0, dot: 0.0, a: 0.0, b: 0.0)
    var relatives = 0
    for (x, y) in zip(a, b) {
      // The same infinity, or no number on both sides, is the same.
      if x == y || x.isNaN && y.isNaN {
        if x.isFinite { (sums.dot, sums.a, sums.b) = (sums.dot + x * y, sums.a + x * x, sums.b + y * y) }
        if y != 0 { relatives += 1 }
        continue
      }
      let difference = (x - y).magnitude
      let allowed = isFloat ? tolerance.absolute + tolerance.relative * y.magnitude : 0
      if !(difference.isFinite && difference <= allowed) { result.beyond += 1 }
      guard difference.isFinite else {
        result.maxAbsolute = .infinity
        result.maxRelative = .infinity
        continue
      }
      result.maxAbsolute = max(result.maxAbsolute, difference)
      sums.absolute += difference
      if y != 0 {
        relatives += 1
        sums.relative += difference / y.magnitude
        result.maxRelative = max(result.maxRelative, difference / y.magnitude)
      }
      (sums.dot, sums.a, sums.b) = (sums.dot + x * y, sums.a + x * x, sums.b + y * y)
    }
    if expected.elementType == .i64 || expected.elementType == .u64, found.bytes != expected.bytes, result.beyond == 0 {
      // Doubles lose the last digits of 64-bit integers; bytes don't.
      result.beyond = (0..<b.count).count {
        found.load(UInt64.self, at: $0 * 8) != expected.load(UInt64.self, at: $0 * 8)
      }
    }
    result.meanAbsolute = b.isEmpty ? 0 : sums.absolute / Double(b.count)
    result.relativeCount = relatives
    result.meanRelative = relatives == 0 ? 0 : sums.relative / Double(relatives)
    if sums.a > 0, sums.b > 0 { result.cosine = min(sums.dot / (sums.a * sums.b).squareRoot(), 1) }
    result.maxULP = ulp(found, expected)
    rows(a, b, expected.shape, &result)
  }

  /// Floats as integers in the order of their values: neighbours differ by one.
  private static func ulp(_ found: DenseTensor, _ expected: DenseTensor) -> UInt64? {
    func distance<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ type: Bits.Type) -> UInt64 {
      func ordered(_ bits: Bits) -> Int64 {
        let magnitude = Int64(truncatingIfNeeded: bits & (Bits.max >> 1))
        return bits >> (Bits.bitWidth - 1) == 1 ? -magnitude : magnitude
      }
      var most: UInt64 = 0
      for offset in stride(from: 0, to: expected.bytes.count, by: MemoryLayout<Bits>.size) {
        let (a, b) = (ordered(found.load(type, at: offset)), ordered(expected.load(type, at: offset)))
        most = max(most, a > b ? UInt64(bitPattern: a &- b) : UInt64(bitPattern: b &- a))
      }
      return most
    }
    return switch expected.elementType {
    case .f32: distance(UInt32.self)
    case .f64: distance(UInt64.self)
    case .f16, .bf16: distance(UInt16.self)
    default: nil
    }
  }

  private static func rows(_ a: [Double], _ b: [Double], _ shape: [Int64], _ result: inout OutputParity) {
    guard let last = shape.last.map(Int.init), last >= 2, !b.isEmpty else { return }
    var agreeing = 0
    var shared = 0
    let rowCount = b.count / last
    for row in 0..<rowCount {
      let (x, y) = (a[row * last..<(row + 1) * last], b[row * last..<(row + 1) * last])
      let (topX, topY) = (highest(x, last > 5 ? 5 : 1), highest(y, last > 5 ? 5 : 1))
      // Equal scores may stand in any order.
      if topX[0] == topY[0] || x[x.startIndex + topX[0]] == x[x.startIndex + topY[0]] { agreeing += 1 }
      shared += topX.count { topY.contains($0) }
    }
    result.rowCount = rowCount
    result.top1 = Double(agreeing) / Double(rowCount)
    if last > 5 { result.top5 = Double(shared) / Double(5 * rowCount) }
  }

  /// Places of the `count` highest elements, highest first.
  private static func highest(_ row: ArraySlice<Double>, _ count: Int) -> [Int] {
    var best: [(place: Int, value: Double)] = []
    for (place, value) in row.enumerated() {
      if best.count == count, value <= best[count - 1].value { continue }
      let at = best.firstIndex { value > $0.value } ?? best.count
      best.insert((place, value), at: at)
      if best.count > count { best.removeLast() }
    }
    return best.map(\.place)
  }
}
