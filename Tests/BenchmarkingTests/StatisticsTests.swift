import Foundation
import Testing

@testable import Benchmarking

@Suite struct `Verdicts from rounds` {
  /// Medians of rounds on a machine that drifts by half, with a noise of its own in each measurement.
  private func rounds(_ count: Int, effect: Double, noise: Double, seed: UInt64) -> (subject: [Double], base: [Double])
  {
    var generator = SeededGenerator(seed: seed)
    func normal() -> Double { (0..<12).reduce(-6) { sum, _ in sum + generator.uniform() } }
    var subject: [Double] = []
    var base: [Double] = []
    for round in 0..<count {
      let drift = 100 * (1 + 0.5 * Double(round) / Double(count))
      base.append(drift * exp(noise * normal()))
      // One measurement in ten is disturbed by something else.
      subject.append(drift * effect * exp(noise * normal()) * (generator.uniform() < 0.1 ? 1.5 : 1))
    }
    return (subject, base)
  }

  private func ratio(_ subject: [Double], _ base: [Double], confidence: Double, seed: UInt64) -> Interval? {
    let logs = Rounds.logRatios(subject, to: base, starts: [Int](repeating: 0, count: base.count))
    return Bootstrap.ratio(logs, confidence: confidence, seed: seed, resamples: 400)
  }

  private func verdicts(_ count: Int, effect: Double, noise: Double = 0.02) -> [Verdict] {
    (0..<200).map { seed in
      let (subject, base) = rounds(count, effect: effect, noise: noise, seed: UInt64(seed))
      let ratio = ratio(subject, base, confidence: 0.95, seed: UInt64(seed))
      return Verdict(ratio, leastEffect: 0.01)
    }
  }

  @Test(arguments: [10, 20, 40]) func `call equal runners different in less than one of twenty`(count: Int) {
    let wrong = verdicts(count, effect: 1).count { $0.isDifference }
    #expect(wrong <= 10, "\(wrong) of 200")
  }

  @Test func `find five percent through drift and disturbances`() {
    let found = verdicts(20, effect: 1.05).count { if case .slower = $0 { true } else { false } }
    #expect(found >= 180, "\(found) of 200")
  }

  @Test func `intervals hold the truth as often as they say`() {
    let holding = (0..<400).count { seed in
      let (subject, base) = rounds(12, effect: 1.2, noise: 0.05, seed: UInt64(1000 + seed))
      let ratio = ratio(subject, base, confidence: 0.95, seed: UInt64(seed))!
      return ratio.low <= 1.22 && ratio.high >= 1.18
    }
    #expect(holding >= 368, "\(holding) of 400")
  }

  @Test func `say what the interval allows and no more`() {
    func verdict(_ low: Double, _ high: Double) -> Verdict {
      Verdict(Interval(estimate: (low * high).squareRoot(), low: low, high: high), leastEffect: 0.02)
    }
    #expect(verdict(0.5, 0.8) == .faster(low: 1.25, high: 2))
    #expect(verdict(1.05, 1.1) == .slower(low: 1.05, high: 1.1))
    #expect(verdict(0.99, 1.01) == .equal)
    #expect(verdict(0.9, 1.1) == .open)
    #expect(verdict(1.01, 1.1) == .open)
    #expect(Verdict(nil, leastEffect: 0.02) == .unknown)
  }

  @Test func `don't take a difference of starts for one of runners`() {
    let wrong = (0..<200).count { seed in
      var generator = SeededGenerator(seed: UInt64(seed))
      func normal() -> Double { (0..<12).reduce(-6) { sum, _ in sum + generator.uniform() } }
      var (subject, base, starts): ([Double], [Double], [Int]) = ([], [], [])
      for start in 0..<10 {
        // Ten percent for as long as a start lives, half a percent from round to round.
        let offset = exp(0.1 * normal())
        for _ in 0..<5 {
          subject.append(100 * offset * exp(0.005 * normal()))
          base.append(100 * exp(0.005 * normal()))
          starts.append(start)
        }
      }
      let logs = Rounds.logRatios(subject, to: base, starts: starts)
      let ratio = Bootstrap.ratio(logs, confidence: 0.95, seed: 1, resamples: 400)
      return Verdict(ratio, leastEffect: 0.01).isDifference
    }
    #expect(wrong <= 10, "\(wrong) of 200")
  }

  @Test func `rest on starts where there are ten, without the extremes of each, else on rounds`() {
    let ratios = [1, 1, 1, 1, 90, 2, 2, 2, 2, 0.01] + [Double](repeating: 3, count: 90)
    let ones = [Double](repeating: 1, count: 100)
    #expect(Rounds.logRatios(ratios, to: ones, starts: ones.map { Int($0) }).count == 100)
    let starts = Rounds.logRatios(ratios, to: ones, starts: (0..<100).map { $0 / 10 }).map { exp($0) }
    #expect(starts.count == 10 && abs(starts[0] - 2.squareRoot()) < 1e-9 && abs(starts[9] - 3) < 1e-9, "\(starts)")
  }

  @Test func `need ten rounds and positive values`() {
    func interval(_ subject: [Double], _ base: [Double]) -> Interval? {
      ratio(subject, base, confidence: 0.95, seed: 1)
    }
    let ones = [Double](repeating: 1, count: 10)
    #expect(interval(Array(ones.dropLast()), Array(ones.dropLast())) == nil)
    #expect(interval(ones, ones.dropLast() + [0]) == nil)
    #expect(interval(ones.map { $0 * 2 }, ones).map { abs($0.low - 2) + abs($0.high - 2) < 1e-9 } == true)
  }
}

@Suite struct `A schedule of requests` {
  @Test(arguments: [0.5, 10, 1000, 1e7]) func `has enough of them in each round`(rate: Double) {
    var plan = BenchmarkPlan()
    plan.rounds = 50
    plan.duration = .seconds(5)
    #expect((10...50).contains(plan.openRounds(rate)))
    #expect(plan.openRoundDuration(rate) / .seconds(1) * rate >= 4.99)
  }

  @Test func `begins each at the same distance`() {
    var schedule = Schedule(rate: 1000, arrivals: .constant, seed: 1, durationNs: 10_000_000, beginNs: 500)
    var moments: [UInt64] = []
    while let due = schedule.due(by: .max) {
      moments.append(due - 500)
      schedule.advance()
    }
    #expect(moments == (0..<10).map { $0 * 1_000_000 })
    #expect(schedule.isOver)
  }

  @Test func `begins them at random around the rate`() {
    var schedule = Schedule(rate: 10_000, arrivals: .poisson, seed: 3, durationNs: 1_000_000_000, beginNs: 0)
    var gaps: [Double] = []
    var last: UInt64 = 0
    while let due = schedule.due(by: .max) {
      gaps.append(Double(due - last))
      last = due
      schedule.advance()
    }
    #expect(abs(Double(gaps.count) - 10_000) < 400)
    // Of an exponential distribution 1 - 1/e lie below the mean.
    let below = Double(gaps.count { $0 < 100_000 }) / Double(gaps.count)
    #expect(abs(below - 0.632) < 0.02)
  }

  @Test func `holds back what isn't due yet`() {
    let schedule = Schedule(rate: 1000, arrivals: .constant, seed: 1, durationNs: 10_000_000, beginNs: 500)
    #expect(schedule.due(by: 499) == nil)
    #expect(schedule.due(by: 500) == 500)
  }
}
