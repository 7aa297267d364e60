import Inference
import Testing
import Wire

@testable import Admission

@Suite struct `Memory of a tenant's models` {
  @Test func `is claimed, measured and given back once`() throws {
    let budget = MemoryBudget(limit: 100)
    let first = try budget.claim(60)
    let error = #expect(throws: HostError.self) { try budget.claim(41) }
    #expect(error?.isOverMemoryBudget == true)
    #expect(error?.details == ["limit": "loadedModelBytes", "value": 100, "used": 60, "wanted": 41])
    #expect(budget.takenBytes == 60)
    let second = try budget.claim(30)
    #expect(throws: HostError.self) { try second.change(to: 50) }
    #expect(budget.takenBytes == 90)
    try second.change(to: 40)
    first.release()
    first.release()
    #expect(budget.takenBytes == 40)
    try second.change(to: 100)
  }

  @Test func `of a claim that nobody holds any more is free`() throws {
    let budget = MemoryBudget(limit: 10)
    for _ in 0..<3 { _ = try budget.claim(10) }
    #expect(budget.takenBytes == 0)
  }

  @Test func `may go over the limit where something else is replaced, and where the limit falls`() throws {
    let budget = MemoryBudget(limit: 10)
    let old = try budget.claim(10)
    let new = try budget.claim(10, isFirm: true)
    #expect(budget.takenBytes == 20)
    old.release()
    budget.limitBytes = 5
    // Less is always fine.
    try new.change(to: 7)
    #expect(throws: HostError.self) { try budget.claim(1) }
    budget.limitBytes = 0
    let large = try budget.claim(1 << 40)
    #expect(budget.takenBytes == (1 << 40) + 7)
    large.release()
  }

  @Test func `follows the limits of its quota`() throws {
    var limits = QuotaLimits()
    limits.loadedModelBytes = 5
    let quota = Quota(limits)
    #expect(throws: HostError.self) { try quota.memory.claim(6) }
    limits.loadedModelBytes = 6
    quota.limits = limits
    #expect(throws: Never.self) { try quota.memory.claim(6) }
  }
}
