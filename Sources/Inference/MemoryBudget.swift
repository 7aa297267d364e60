import Synchronization
import Wire

/// Memory that somebody's loaded models may take together, and what they take. Any thread.
package final class MemoryBudget: Sendable {
  private let limit: Atomic<Int>
  private let taken = Atomic<Int>(0)

  /// - Parameter limit: Bytes; 0 for none.
  package init(limit: Int = 0) { self.limit = Atomic(limit) }

  /// For the next claim on; what is loaded stays.
  package var limitBytes: Int {
    get { limit.load(ordering: .relaxed) }
    set { limit.store(newValue, ordering: .relaxed) }
  }

  package var takenBytes: Int { taken.load(ordering: .relaxed) }

  /// Memory for what is about to be loaded; given back when the claim is released.
  ///
  /// - Parameter isFirm: It takes the place of something that is loaded, whatever the limit is.
  /// - Throws: `.quotaExceeded` where there isn't so much left.
  package func claim(_ byteCount: Int, isFirm: Bool = false) throws(HostError) -> MemoryClaim {
    let claim = MemoryClaim(self, isFirm: isFirm)
    try claim.change(to: byteCount)
    return claim
  }

  fileprivate func add(_ difference: Int, of byteCount: Int, isFirm: Bool) throws(HostError) {
    let sum = taken.wrappingAdd(difference, ordering: .relaxed).newValue
    let limit = limitBytes
    guard !isFirm, difference > 0, limit > 0, sum > limit else { return }
    taken.wrappingSubtract(difference, ordering: .relaxed)
    throw HostError(
      .quotaExceeded,
      "\(limit) bytes of loaded models are the limit: \(sum - byteCount) are there and this one needs \(byteCount); "
        + "unload some, or ask for more",
      details: [
        "limit": "loadedModelBytes", "value": .integer(limit), "used": .integer(sum - byteCount),
        "wanted": .integer(byteCount),
      ], retryAfterSeconds: 60)
  }

  fileprivate func giveBack(_ byteCount: Int) { taken.wrappingSubtract(byteCount, ordering: .relaxed) }
}

/// One loaded model's part of a budget.
package final class MemoryClaim: Sendable {
  private let budget: MemoryBudget
  private let isFirm: Bool
  private let bytes = Mutex<Int?>(0)

  fileprivate init(_ budget: MemoryBudget, isFirm: Bool) {
    self.budget = budget
    self.isFirm = isFirm
  }

  deinit { release() }

  package var byteCount: Int { bytes.withLock { $0 } ?? 0 }

  /// More or less than was thought.
  ///
  /// - Throws: `.quotaExceeded` for more than is left; it is as before then.
  package func change(to byteCount: Int) throws(HostError) {
    let refusal = bytes.withLock { bytes -> HostError? in
      guard let known = bytes else { return nil }
      do throws(HostError) {
        try budget.add(byteCount - known, of: byteCount, isFirm: isFirm)
        bytes = byteCount
        return nil
      } catch {
        return error
      }
    }
    if let refusal { throw refusal }
  }

  /// Once; further calls do nothing.
  package func release() {
    bytes.withLock { bytes in
      if let known = bytes { budget.giveBack(known) }
      bytes = nil
    }
  }
}

extension HostError {
  /// Neither the model's doing nor the runner's: its tenant's loaded models have reached their limit.
  package var isOverMemoryBudget: Bool { code == .quotaExceeded && details?["limit"] == "loadedModelBytes" }
}
