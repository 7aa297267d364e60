import Glibc
package import Inference
import Synchronization

/// What a tenant may use, what it has used, and what it is using. Any thread.
///
/// Looked up once per caller and handed to each of its requests. A lock and no actor: a request takes and gives back a few
/// numbers, which is over before it could have hopped anywhere.
package final class Quota: Sendable {
  private struct State: Sendable {
    var limits: QuotaLimits
    var requests: QuotaBucket?
    var bytes: QuotaBucket?
    var computeNsPerDay: UInt64?
    var active = 0
    var usage: QuotaUsage
    /// On the clock of `reserve`; then the calendar is asked.
    var dayEndsNs: UInt64 = 0
  }

  private static let secondsPerDay: Int64 = 86_400
  private static let lastNumber = Atomic<UInt64>(0)

  /// Of this process: by it, those who wait for a run are told apart.
  package let number: UInt64
  private let currentWeight: Atomic<Int>
  private let unixSeconds: @Sendable () -> Int64
  private let state: Mutex<State>
  /// Of models that are loaded for this tenant.
  package let memory: MemoryBudget
  /// What this tenant's connections take.
  package let servingLoad = ServingLoad()
  private let refused = Mutex<[QuotaLimit: UInt64]>([:])

  /// - Parameter unixSeconds: The calendar, asked about once a day.
  package init(_ limits: QuotaLimits, unixSeconds: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }) {
    number = Self.lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
    self.unixSeconds = unixSeconds
    currentWeight = Atomic(limits.weight)
    memory = MemoryBudget(limit: limits.loadedModelBytes)
    state = Mutex(
      State(
        limits: limits, requests: limits.requestBucket, bytes: limits.byteBucket,
        computeNsPerDay: limits.computeNsPerDay, usage: QuotaUsage(day: unixSeconds() / Self.secondsPerDay)))
  }

  /// Notes what a request touches of it.
  func note(_ lines: inout HotLines) { lines.add(self, 48 + MemoryLayout<State>.size) }

  package var weight: Int { currentWeight.load(ordering: .relaxed) }

  /// Requests under way.
  package var activeCount: Int { state.withLock { $0.active } }

  /// For the next request on; those under way stay counted.
  package var limits: QuotaLimits {
    get { state.withLock { $0.limits } }
    set {
      currentWeight.store(newValue.weight, ordering: .relaxed)
      memory.limitBytes = newValue.loadedModelBytes
      state.withLock { state in
        guard newValue != state.limits else { return }
        state.limits = newValue
        state.requests = Self.next(newValue.requestBucket, after: state.requests)
        state.bytes = Self.next(newValue.byteBucket, after: state.bytes)
        state.computeNsPerDay = newValue.computeNsPerDay
      }
    }
  }

  private static func next(_ bucket: QuotaBucket?, after former: QuotaBucket?) -> QuotaBucket? {
    guard let bucket, let former else { return bucket }
    return QuotaBucket(bucket, continuing: former)
  }

  // MARK: A request

  /// Takes what a request needs, or nothing.
  ///
  /// - Parameters:
  ///   - inputBytes: Of its body.
  ///   - nowNs: CLOCK_MONOTONIC.
  /// - Throws: `.quotaExceeded`; of several limits that are used up, it names the one that lasts longest.
  package func reserve(inputBytes: Int, nowNs: UInt64) throws(HostError) -> QuotaReservation {
    let refusal = state.withLock { state in
      if nowNs >= state.dayEndsNs { beginDay(&state, nowNs) }
      return Self.take(&state, inputBytes, nowNs)
    }
    if let refusal { throw refusal.error }
    return QuotaReservation(self, inputBytes: inputBytes)
  }

  private static func take(_ state: inout State, _ inputBytes: Int, _ nowNs: UInt64) -> QuotaRefusal? {
    state.requests?.fill(nowNs)
    state.bytes?.fill(nowNs)
    let limits = state.limits
    var refusal: QuotaRefusal?
    if limits.concurrentRequests > 0, state.active >= limits.concurrentRequests {
      refusal = QuotaRefusal(limit: .concurrentRequests, value: limits.concurrentRequests, waitNs: nil)
    }
    if let wait = state.requests?.nsUntil(1), wait > 0 {
      refusal = QuotaRefusal(limit: .requestsPerSecond, value: limits.requestsPerSecond, waitNs: wait).longer(refusal)
    }
    // Whoever owes nothing may send a body of any size and owes for it afterwards.
    if let wait = state.bytes?.nsUntilAny, wait > 0 {
      refusal = QuotaRefusal(limit: .inputBytesPerSecond, value: limits.inputBytesPerSecond, waitNs: wait)
        .longer(refusal)
    }
    // What a run takes is known when it has ended, so those under way may go beyond it.
    if let most = state.computeNsPerDay, state.usage.computeNs >= most {
      refusal = QuotaRefusal(
        limit: .computeSecondsPerDay, value: limits.computeSecondsPerDay, waitNs: state.dayEndsNs - nowNs
      ).longer(refusal)
    }
    if let refusal {
      state.usage.refusals &+= 1
      return refusal
    }
    state.requests?.take(1)
    state.bytes?.take(inputBytes)
    state.active += 1
    state.usage.requests &+= 1
    state.usage.inputBytes &+= UInt64(inputBytes)
    return nil
  }

  func end(inputBytes: Int, computeNs: UInt64, isUndone: Bool) {
    state.withLock { state in
      state.active -= 1
      state.usage.computeNs &+= computeNs
      guard isUndone else { return }
      state.requests?.giveBack(1)
      state.bytes?.giveBack(inputBytes)
      // At midnight they may have been counted the day before.
      state.usage.requests -= min(1, state.usage.requests)
      state.usage.inputBytes -= min(UInt64(inputBytes), state.usage.inputBytes)
    }
  }

  // MARK: Usage

  /// A request was refused because of `limit`.
  package func countRefusal(by limit: QuotaLimit) { refused.withLock { $0[limit, default: 0] &+= 1 } }

  /// Refusals since the start.
  package var refusals: [QuotaLimit: UInt64] { refused.withLock { $0 } }

  /// Of the day of the last request.
  package var usage: QuotaUsage { state.withLock { $0.usage } }

  /// Of today.
  package var usageToday: QuotaUsage {
    let (usage, day) = (usage, unixSeconds() / Self.secondsPerDay)
    return day > usage.day ? QuotaUsage(day: day) : usage
  }

  /// Adds what was used before a restart; what was used on an earlier day is over.
  package func restore(_ former: QuotaUsage) {
    state.withLock { state in
      guard former.day >= state.usage.day else { return }
      // The clock was set back: that doesn't give a second day.
      state.usage.day = former.day
      state.usage.add(former)
    }
  }

  /// Asks the calendar which day it is and how long that lasts.
  private func beginDay(_ state: inout State, _ nowNs: UInt64) {
    let seconds = unixSeconds()
    let day = seconds / Self.secondsPerDay
    // Set back, the clock doesn't give a second day.
    if day > state.usage.day { state.usage = QuotaUsage(day: day) }
    state.dayEndsNs = nowNs + UInt64(Self.secondsPerDay - seconds % Self.secondsPerDay) * 1_000_000_000
  }
}
