import Testing

@testable import Running

@Suite struct `A queue of deadlines` {
  @Test func `gives what is due, soonest first, whatever comes and goes between`() throws {
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...UInt64.max, using: &generator)
    var dice = Dice(state: seed)
    var queue = DeadlineQueue()
    // The same by itself: ids and their deadlines.
    var plain: [UInt64: UInt64] = [:]
    let acted = Locked<[UInt64]>([])
    var now: UInt64 = 0
    for id in 0..<20_000 as Range<UInt64> {
      let deadline = now + dice.next() % 1000
      queue.add(id: id, deadlineNs: deadline) { acted.withLock { $0.append(id) } }
      plain[id] = deadline
      for _ in 0..<dice.next() % 3 {
        let gone = id - min(id, dice.next() % 100)
        queue.remove(id: gone)
        plain[gone] = nil
      }
      now += dice.next() % 20
      guard dice.next() % 8 == 0 else { continue }
      for action in queue.takeDue(now) { action() }
      let due = plain.filter { $0.value <= now }
      for id in due.keys { plain[id] = nil }
      let seen = acted.withLock { ids in
        defer { ids = [] }
        return ids
      }
      try #require(seen.count == due.count && Set(seen) == Set(due.keys), "seed \(seed)")
      try #require(seen.map { due[$0] ?? 0 } == due.values.sorted(), "seed \(seed)")
      try #require(queue.nextNs == plain.values.min(), "seed \(seed)")
    }
  }

  @Test func `keeps little of what is removed`() throws {
    var queue = DeadlineQueue()
    for id in 0..<10 as Range<UInt64> { queue.add(id: id, deadlineNs: 1000 + id) {} }
    // As runs do: each is added, far from its deadline, and removed when it ends.
    for id in 10..<10_000 as Range<UInt64> {
      queue.add(id: id, deadlineNs: 1_000_000 + id) {}
      queue.remove(id: id)
      try #require(queue.heapCount <= 2 * 10 + 65)
    }
    #expect(queue.nextNs == 1000)
    #expect(queue.takeDue(.max).count == 10)
    #expect(queue.nextNs == nil && queue.heapCount == 0)
  }
}
