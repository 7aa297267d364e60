import Glibc
import Testing

@testable import Wire

@Suite struct `Reading and printing floats` {
  @Test func `a quarter of a million random float patterns come back bit for bit`() {
    var random = seeded("float patterns")
    for _ in 0..<64 {
      let values = (0..<4096).map { index -> Float in
        let bits = UInt32(truncatingIfNeeded: random.next())
        // Every eighth one is subnormal.
        let value = Float(bitPattern: index % 8 == 0 ? bits & 0x807F_FFFF : bits)
        return value.isNaN ? 0 : value
      }
      let text = printNumbers(values, .f32)
      let back = readNumbers(text + "]", .f32, as: Float.self, capacity: values.count)
      #expect(back.error == nil)
      #expect(back.values.map(\.bitPattern) == values.map(\.bitPattern))
    }
  }

  @Test func `a hundred thousand random double patterns come back bit for bit`() {
    var random = seeded("double patterns")
    for _ in 0..<25 {
      let values = (0..<4096).map { index -> Double in
        let bits = random.next()
        let value = Double(bitPattern: index % 8 == 0 ? bits & 0x800F_FFFF_FFFF_FFFF : bits)
        return value.isNaN ? 0 : value
      }
      let back = readNumbers(printNumbers(values, .f64) + "]", .f64, as: Double.self, capacity: values.count)
      #expect(back.error == nil)
      #expect(back.values.map(\.bitPattern) == values.map(\.bitPattern))
    }
  }

  @Test func `random decimals are rounded as strtof and strtod round them`() {
    var random = seeded("decimals")
    // Longer than the quick path looks ahead.
    let padding = String(repeating: ",7", count: 40)
    for _ in 0..<60_000 {
      let text = decimal(&random)
      let suffix = Bool.random(using: &random) ? "]" : padding + "]"
      let float = readNumbers(text + suffix, .f32, as: Float.self)
      let double = readNumbers(text + suffix, .f64, as: Double.self)
      let wanted = strtod(text, nil)
      if wanted.isInfinite {
        #expect(float.error?.message == "the number doesn't fit a 32-bit float", "\(text)")
        #expect(double.error?.message == "the number doesn't fit a 64-bit float", "\(text)")
      } else {
        #expect(float.values.first?.bitPattern == strtof(text, nil).bitPattern, "\(text)")
        #expect(double.values.first?.bitPattern == wanted.bitPattern, "\(text)")
      }
    }
  }

  private func decimal(_ random: inout SplitMix) -> String {
    let count = Int.random(in: 1...40, using: &random)
    var digits = (0..<count).map { _ in Int.random(in: 0...9, using: &random) }
    let point = Bool.random(using: &random) ? 1 : Int.random(in: 1...count, using: &random)
    if point > 1 && digits[0] == 0 { digits[0] = 1 }
    var text = Bool.random(using: &random) ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index == point { text += "." }
      text += String(digit)
    }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: text += "e\(Int.random(in: -60...60, using: &random))"
    case 1: text += "E+\(Int.random(in: 0...400, using: &random))"
    case 2: text += "e-\(Int.random(in: 0...400, using: &random))"
    default: break
    }
    return text
  }

  @Test func `decimals at the middle of two floats go to the right side`() {
    var random = seeded("halfway")
    for _ in 0..<20_000 {
      // Between 2^-20 and 2^20; the middle is a double that 25 bits hold, so its digits are written out in full.
      let bits = UInt32.random(in: 0x3580_0000..<0x4980_0000, using: &random)
      let below = Float(bitPattern: bits)
      let above = Float(bitPattern: bits + 1)
      let middle = exact((Double(below) + Double(above)) / 2)
      let even = bits % 2 == 0 ? below : above
      #expect(readNumbers(middle + "]", .f32, as: Float.self).values == [even], "\(middle)")
      let more = middle + "0000000001"
      #expect(readNumbers(more + "]", .f32, as: Float.self).values == [above], "\(more)")
    }
  }

  /// All decimal digits, at least one behind the point.
  private func exact(_ value: Double) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    _ = withVaList([value]) { vsnprintf(&buffer, buffer.count, "%.60f", $0) }
    var text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    while text.hasSuffix("0") { text.removeLast() }
    return text.hasSuffix(".") ? text + "0" : text
  }

  @Test(
    arguments: [
      (0.1, "0.1"), (1, "1"), (-1.5, "-1.5"), (0, "0"), (-0.0, "-0.0"), (0.0001, "0.0001"), (0.00001, "1e-5"),
      (1234567.75, "1234567.8"), (3.4028235e38, "3.4028235e38"), (.leastNonzeroMagnitude, "1e-45"),
      (16777216, "16777216"),
      (255, "255"), (0.3, "0.3"), (100.5, "100.5"), (1e15, "1000000000000000"), (1e16, "1e16"), (-1.25e-9, "-1.25e-9"),
      (.infinity, "Infinity"), (-.infinity, "-Infinity"), (.nan, "NaN"),
    ] as [(Float, String)])
  func `floats print with the fewest digits`(value: Float, text: String) {
    #expect(printNumbers([value], .f32) == text)
  }

  @Test(
    arguments: [
      (0.1, "0.1"), (1e16, "1e16"), (123456789.125, "123456789.125"), (.leastNonzeroMagnitude, "5e-324"),
      (-2.5e-7, "-2.5e-7"),
      (1.7976931348623157e308, "1.7976931348623157e308"), (4294967296, "4294967296"),
      (0.30000000000000004, "0.30000000000000004"),
    ] as [(Double, String)])
  func `doubles print with the fewest digits`(value: Double, text: String) {
    #expect(printNumbers([value], .f64) == text)
  }

  @Test func `words and sizes at the edge`() {
    let read = readNumbers("NaN, Infinity,-Infinity ,1e40,-1e40,1e-60,-0,-0.0,0e999]", .f32, as: Float.self).values
    #expect(read.count == 9)
    #expect(read[0].isNaN)
    #expect(read[1...5] == [.infinity, -.infinity, .infinity, -.infinity, 0])
    #expect(read[6].sign == .minus && read[7].sign == .minus && read[7] == 0 && read[8] == 0)
    let long = "1" + String(repeating: "0", count: 500) + "e-500"
    #expect(readNumbers(long + "]", .f32, as: Float.self).values == [1])
    #expect(readNumbers("0." + String(repeating: "0", count: 500) + "1e501]", .f64, as: Double.self).values == [1])
    #expect(readNumbers("1e99999999999999999999]", .f64, as: Double.self).error?.offset == 0)
    #expect(readNumbers("1e-99999999999999999999]", .f64, as: Double.self).values == [0])
  }
}
