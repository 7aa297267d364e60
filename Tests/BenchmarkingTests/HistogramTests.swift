import Testing

@testable import Benchmarking

@Suite struct `A histogram` {
  @Test func `keeps three significant digits from nanoseconds to minutes`() {
    var value: UInt64 = 1
    while value < 1 << 40 {
      for offset: UInt64 in [0, value / 3, value - 1] {
        let kept = Histogram.middle(of: Histogram.slot(of: value + offset))
        let error = abs(kept - Double(value + offset)) / Double(value + offset)
        #expect(error <= 0.0005, "\(value + offset) became \(kept)")
      }
      value *= 2
    }
  }

  @Test func `counts what is longer than it can tell at its end`() {
    var histogram = Histogram()
    histogram.add(.max)
    #expect(Histogram.slot(of: .max) == Histogram.slotCount - 1)
    #expect(histogram.count == 1 && histogram.maximum == .max)
  }

  @Test func `has the quantiles of what was added`() {
    var histogram = Histogram()
    for value in 1...1000 { histogram.add(UInt64(value)) }
    #expect(histogram.quantile(0.5) == 500)
    #expect(histogram.quantile(0.99) == 990)
    #expect(histogram.quantile(1) == 1000)
    #expect(histogram.quantile(0) == 1)
    #expect(Histogram().quantile(0.5) == 0)
  }

  @Test func `adds up as if all had been counted in one`() {
    var (a, b, all) = (Histogram(), Histogram(), Histogram())
    var generator = SeededGenerator(seed: 7)
    for index in 0..<10_000 {
      let value = UInt64(generator.exponential() * 50_000)
      all.add(value)
      if index % 3 == 0 { a.add(value) } else { b.add(value) }
    }
    a.add(b)
    #expect(a == all)
  }
}
