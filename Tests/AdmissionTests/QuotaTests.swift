import Inference
import Synchronization
import Testing
import Wire

@testable import Admission

@Suite struct `The quota of a tenant` {
  private static let second: UInt64 = 1_000_000_000

  private func limits(_ set: (inout QuotaLimits) -> Void) -> QuotaLimits {
    var limits = QuotaLimits()
    set(&limits)
    return limits
  }

  /// Noon of a day.
  private func quota(_ set: (inout QuotaLimits) -> Void) -> Quota {
    Quota(limits(set), unixSeconds: { 86_400 * 20_000 + 43_200 })
  }

  /// One request from start to end; its refusal, if any.
  private func ask(_ quota: Quota, _ nowNs: UInt64, bytes: Int = 0, computeNs: UInt64 = 0) -> HostError? {
    do throws(HostError) {
      let reservation = try quota.reserve(inputBytes: bytes, nowNs: nowNs)
      reservation.commit(computeNs: computeNs)
      return nil
    } catch {
      return error
    }
  }

  // MARK: Requests a second

  @Test(arguments: [500, 333, 7, 1009])
  func `lets through what the limit says, whatever is offered`(rate: Int) {
    let quota = quota { $0.requestsPerSecond = rate }
    let burst = max(2, rate / 10)
    let offered = 10 * rate
    var answered = 0
    for number in 0..<(20 * offered) {
      if ask(quota, Self.second + UInt64(number) * 20 * Self.second / UInt64(20 * offered)) == nil { answered += 1 }
    }
    #expect((20 * rate - 1...20 * rate + burst).contains(answered), "\(answered)")
    #expect(Double(answered) <= Double(20 * rate + burst) && quota.usage.requests == UInt64(answered))
    #expect(quota.usage.refusals == UInt64(20 * offered - answered))
  }

  @Test func `loses nothing to rounding over an hour`() {
    // A third of a nanosecond would be lost at each request.
    let quota = quota {
      $0.requestsPerSecond = 3
      $0.burst = 2
    }
    var now: UInt64 = 1
    var answered = 0
    while now <= 3600 * Self.second {
      if ask(quota, now) == nil { answered += 1 }
      now += 111_111_111
    }
    #expect((10_799...10_802).contains(answered), "\(answered)")
  }

  @Test func `a burst is as large as it was set, and not larger after a long pause`() {
    let quota = quota {
      $0.requestsPerSecond = 10
      $0.burst = 4
    }
    for pause: UInt64 in [1, 1_000_000, UInt64(Int64.max) / Self.second] {
      let now = pause * Self.second
      #expect((0..<6).filter { _ in ask(quota, now) == nil }.count == 4)
    }
  }

  @Test func `a refusal says which limit it is and when it is free again`() {
    let quota = quota {
      $0.requestsPerSecond = 2
      $0.burst = 1
    }
    #expect(ask(quota, Self.second) == nil)
    let error = ask(quota, Self.second + 100_000_000)
    #expect(error?.code == .quotaExceeded && error?.retryAfterSeconds == 1)
    #expect(error?.details == ["limit": "requestsPerSecond", "value": 2, "retryAfterMs": 400])
    #expect(error?.message == "2 requests a second are the limit; try again in 400 ms")
    #expect(ask(quota, Self.second + 499_999_999) != nil)
    #expect(ask(quota, Self.second + 500_000_000) == nil)
  }

  @Test func `a clock that another thread has read later changes nothing`() {
    let quota = quota {
      $0.requestsPerSecond = 1
      $0.burst = 1
    }
    #expect(ask(quota, 10 * Self.second) == nil)
    #expect(ask(quota, 9 * Self.second)?.details?["retryAfterMs"] == 1000)
    #expect(ask(quota, 11 * Self.second) == nil)
  }

  // MARK: Other limits

  @Test func `as many requests are under way as the limit says`() throws {
    let quota = quota { $0.concurrentRequests = 2 }
    let first = try quota.reserve(inputBytes: 0, nowNs: 1)
    let second = try quota.reserve(inputBytes: 0, nowNs: 1)
    let error = ask(quota, 1)
    #expect(error?.details == ["limit": "concurrentRequests", "value": 2])
    first.commit(computeNs: 0)
    #expect(ask(quota, 1) == nil)
    second.release(after: HostError(.cancelled, "gone"), computeNs: 5)
    #expect(quota.activeCount == 0 && quota.usage.computeNs == 5)
  }

  @Test func `bodies of any size pass, and are paid for`() {
    let quota = quota { $0.inputBytesPerSecond = 1000 }
    #expect(ask(quota, Self.second, bytes: 5100) == nil)
    let error = ask(quota, Self.second, bytes: 1)
    #expect(error?.details == ["limit": "inputBytesPerSecond", "value": 1000, "retryAfterMs": 5001])
    #expect(error?.retryAfterSeconds == 6)
    #expect(ask(quota, 6 * Self.second, bytes: 1) != nil)
    #expect(ask(quota, 6 * Self.second + 1, bytes: 1) == nil)
  }

  @Test func `the largest body at the smallest rate doesn't overflow`() {
    let quota = quota { $0.inputBytesPerSecond = 1 }
    #expect(ask(quota, 1, bytes: .max) == nil)
    #expect(ask(quota, 2)?.code == .quotaExceeded)
  }

  @Test func `run time is limited until midnight`() {
    let seconds = Atomic<Int64>(86_400 * 20_000 + 86_390)
    let quota = Quota(limits { $0.computeSecondsPerDay = 3 }, unixSeconds: { seconds.load(ordering: .relaxed) })
    #expect(ask(quota, 1, computeNs: 2_999_999_999) == nil)
    #expect(ask(quota, 1, computeNs: 4_000_000_000) == nil)
    let error = ask(quota, Self.second + 1)
    #expect(error?.details == ["limit": "computeSecondsPerDay", "value": 3, "retryAfterMs": 9000])
    #expect(error?.retryAfterSeconds == 9)
    seconds.add(10, ordering: .relaxed)
    #expect(ask(quota, 10 * Self.second + 1) == nil)
    #expect(quota.usage.day == 20_001 && quota.usage.requests == 1)
    // Set back, the calendar doesn't give a second day.
    seconds.subtract(86_400, ordering: .relaxed)
    #expect(ask(quota, 86_500 * Self.second) == nil)
    #expect(quota.usage.day == 20_001 && quota.usage.requests == 2)
  }

  // MARK: Failures

  @Test func `what the host failed is given back, what the caller failed isn't`() throws {
    for (code, isGivenBack) in [(HostError.Code.overloaded, true), (.invalidRequest, false), (.runnerFailed, false)] {
      let quota = quota {
        $0.requestsPerSecond = 1
        $0.burst = 1
        $0.inputBytesPerSecond = 10
      }
      let reservation = try quota.reserve(inputBytes: 100, nowNs: 1)
      reservation.release(after: HostError(code, ""), computeNs: 7)
      #expect((ask(quota, 1) == nil) == isGivenBack)
      #expect(quota.usage.computeNs == 7 && quota.usage.requests == 1)
    }
  }

  @Test func `a refused request takes nothing of the other limits`() throws {
    let quota = quota {
      $0.requestsPerSecond = 1
      $0.burst = 3
      $0.concurrentRequests = 1
    }
    let reservation = try quota.reserve(inputBytes: 0, nowNs: 1)
    for _ in 0..<10 { #expect(ask(quota, 1)?.details?["limit"] == "concurrentRequests") }
    reservation.commit(computeNs: 0)
    #expect(ask(quota, 1) == nil)
    #expect(ask(quota, 1) == nil)
    #expect(ask(quota, 1)?.details?["limit"] == "requestsPerSecond")
  }

  @Test func `a reservation that is dropped has never been`() throws {
    let quota = quota {
      $0.requestsPerSecond = 1
      $0.burst = 1
    }
    for _ in 0..<5 { _ = try quota.reserve(inputBytes: 3, nowNs: 1) }
    #expect(quota.activeCount == 0 && quota.usage.requests == 0 && quota.usage.inputBytes == 0)
  }

  // MARK: Changes and usage

  @Test func `a change acts on the next request and gives no new burst`() {
    let quota = quota {
      $0.requestsPerSecond = 10
      $0.burst = 2
    }
    #expect((0..<5).filter { _ in ask(quota, 1) == nil }.count == 2)
    quota.limits = limits {
      $0.requestsPerSecond = 1000
      $0.burst = 500
    }
    #expect(ask(quota, 1) != nil)
    #expect(ask(quota, 1_000_001) == nil)
    quota.limits = limits { _ in }
    #expect((0..<100).allSatisfy { _ in ask(quota, 1_000_001) == nil })
  }

  @Test func `usage of the same day is restored, that of another isn't`() {
    let quota = quota { $0.computeSecondsPerDay = 1 }
    var former = QuotaUsage(day: 19_999)
    former.computeNs = Self.second
    quota.restore(former)
    #expect(ask(quota, 1) == nil)
    former.day = 20_000
    former.requests = 5
    quota.restore(former)
    #expect(ask(quota, 1)?.details?["limit"] == "computeSecondsPerDay")
    #expect(quota.usage.requests == 6 && quota.usage.refusals == 1)
  }
}
