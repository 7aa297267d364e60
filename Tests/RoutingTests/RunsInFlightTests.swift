import Testing

@testable import Routing

@Suite struct `Runs in flight` {
  /// How often they are counted when they are asked for at each of `times`; counting takes `ns`.
  private func counts(among models: Int, at times: [UInt64], takes ns: UInt64) -> Int {
    var runs = RunsInFlight()
    var now: UInt64 = 0
    var counted = 0
    for time in times {
      now = time
      let answer = runs.counts(modelCount: models, clock: { now }) {
        now += ns
        counted += 1
        return ["a": counted]
      }
      #expect(answer == ["a": counted])
    }
    return counted
  }

  @Test func `are counted each time among few models`() {
    #expect(counts(among: RunsInFlight.fewModels, at: [100, 101, 102], takes: 10) == 3)
  }

  @Test func `are counted among many for no more than a part of the time`() {
    let times = (0..<100_000).map { UInt64($0) * 100 }
    let counted = counts(among: 10_000, at: times, takes: 1000)
    #expect(UInt64(counted) * 1000 * RunsInFlight.share <= times.last! + 2 * 1000 * RunsInFlight.share)
    #expect(counted > 100, "what was counted long ago isn't what is")
  }
}
