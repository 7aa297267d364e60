import CLinux
import CStadionRunner
import Synchronization
import Testing

@testable import Running

@Suite struct `Tickets` {
  @Test func `never use an id twice, whoever asks`() async {
    let all = await withTaskGroup(of: [UInt64].self, returning: [UInt64].self) { group in
      for _ in 0..<8 {
        group.addTask {
          let ticket = Ticket()
          return (0..<2000).map { _ in
            ticket.renew(deadlineNs: 0)
            return ticket.id
          }
        }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
    #expect(Set(all).count == 16_000)
    #expect(!all.contains(0))
  }

  @Test func `are cancelled once, for the first reason`() {
    let ticket = Ticket()
    ticket.renew(deadlineNs: 0)
    #expect(ticket.cancellation == nil)
    #expect(ticket.cancel(id: ticket.id, .caller))
    #expect(!ticket.cancel(id: ticket.id, .deadline))
    #expect(ticket.cancellation == .caller)
  }

  @Test func `a stale cancel is harmless`() {
    let ticket = Ticket()
    ticket.renew(deadlineNs: 0)
    let stale = ticket.id
    ticket.renew(deadlineNs: 0)
    #expect(!ticket.cancel(id: stale, .caller))
    #expect(!ticket.isCancelled)
    ticket.cancel(id: ticket.id, .caller)
    ticket.renew(deadlineNs: 0)
    #expect(!ticket.isCancelled)
  }

  @Test func `tell the runner what they know`() {
    let ticket = Ticket()
    ticket.renew(deadlineNs: 0)
    let raw = UnsafePointer(ticket.pointer)
    #expect(raw.pointee.id == ticket.id)
    #expect(!raw.pointee.is_cancelled(raw))
    #expect(!raw.pointee.is_cancelled(nil))
    ticket.cancel(id: ticket.id, .caller)
    #expect(raw.pointee.is_cancelled(raw))
    ticket.renew(deadlineNs: 1)
    #expect(raw.pointee.is_cancelled(raw))
    #expect(raw.pointee.deadline_ns == 1)
    #expect(ticket.cancellation == .deadline)
    ticket.renew(deadlineNs: .max)
    #expect(!raw.pointee.is_cancelled(raw))
  }
}

@Suite struct `Deadlines in time` {
  @Test func `act in the order of their times, never early`() async throws {
    let deadlines = Deadlines.shared
    let seen = Locked<[Int]>([])
    let now = linux_now_ns()
    let early = Atomic<Bool>(false)
    for number in [3, 1, 2, 0] {
      let due = now + UInt64(number + 1) * 5_000_000
      deadlines.add(id: UInt64.max - UInt64(number), deadlineNs: due) {
        if linux_now_ns() < due { early.store(true, ordering: .relaxed) }
        seen.withLock { $0.append(number) }
      }
    }
    try await wait(for: "four deadlines") { seen.withLock { $0.count } == 4 }
    #expect(Set(seen.withLock { $0 }) == [0, 1, 2, 3])
    let isEarly = early.load(ordering: .relaxed)
    #expect(!isEarly)
  }

  @Test func `don't act once they are removed`() async throws {
    let deadlines = Deadlines.shared
    let acted = Locked<[String]>([])
    let now = linux_now_ns()
    deadlines.add(id: UInt64.max - 100, deadlineNs: now + 500_000_000) { acted.withLock { $0.append("removed") } }
    deadlines.add(id: UInt64.max - 101, deadlineNs: now + 520_000_000) { acted.withLock { $0.append("kept") } }
    deadlines.remove(id: UInt64.max - 100)
    deadlines.remove(id: UInt64.max - 102)
    try await wait(for: "the deadline") { acted.withLock { !$0.isEmpty } }
    #expect(acted.withLock { $0 } == ["kept"])
  }

  @Test func `one that has passed acts at once, one that is far waits`() async throws {
    let deadlines = Deadlines.shared
    let acted = Atomic<Int>(0)
    deadlines.add(id: UInt64.max - 200, deadlineNs: .max) { acted.add(100, ordering: .relaxed) }
    deadlines.add(id: UInt64.max - 201, deadlineNs: 1) { acted.add(1, ordering: .relaxed) }
    try await wait(for: "the deadline") { acted.load(ordering: .relaxed) == 1 }
    deadlines.remove(id: UInt64.max - 200)
  }

  @Test func `one that comes from another's action isn't forgotten`() async throws {
    let deadlines = Deadlines.shared
    let acted = Atomic<Int>(0)
    for number in 0..<50 as Range<UInt64> {
      deadlines.add(id: UInt64.max - 300 - number, deadlineNs: linux_now_ns() + number * 100_000) {
        deadlines.add(id: UInt64.max - 400 - number, deadlineNs: 1) { acted.add(1, ordering: .relaxed) }
      }
    }
    try await wait(for: "the deadlines") { acted.load(ordering: .relaxed) == 50 }
  }
}
