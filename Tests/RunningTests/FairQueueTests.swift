import Testing

@testable import Running

@Suite struct `A queue that is fair between tenants` {
  /// One place, which always has work: tenants keep `depth` requests waiting; returns each one's run time.
  private func share(
    _ tenants: [(weight: Int, depth: Int, runNs: UInt64)], seconds: UInt64 = 20
  ) -> [UInt64] {
    var queue = FairQueue<Int>()
    for (number, tenant) in tenants.enumerated() {
      for _ in 0..<tenant.depth { queue.append(number, of: UInt64(number), weight: tenant.weight) }
    }
    var used = tenants.map { _ in UInt64(0) }
    while used.reduce(0, +) < seconds * 1_000_000_000 {
      guard let number = queue.next() else { break }
      let tenant = tenants[number]
      used[number] += tenant.runNs
      // Its client asks again as soon as it has its answer, before the next is chosen.
      queue.charge(UInt64(number), tookNs: tenant.runNs)
      queue.append(number, of: UInt64(number), weight: tenant.weight)
    }
    return used
  }

  private func part(_ used: [UInt64], _ number: Int) -> Double {
    Double(used[number]) / Double(used.reduce(0, +))
  }

  @Test func `one tenant alone is served in the order in which its requests came`() {
    var queue = FairQueue<Int>()
    var served: [Int] = []
    for number in 0..<3000 {
      queue.append(number, of: 7, weight: 1)
      if number % 3 == 2, let next = queue.next() { served.append(next) }
    }
    while let next = queue.next() { served.append(next) }
    #expect(served == Array(0..<3000))
    #expect(queue.isEmpty)
  }

  @Test(arguments: [UInt64(100_000), 1_000_000, 20_000_000])
  func `who offers ten times as much gets no more`(runNs: UInt64) {
    let used = share([(1, 40, runNs), (1, 4, runNs)])
    #expect(part(used, 1) >= 0.45, "\(used)")
    #expect(part(used, 1) <= 0.55, "\(used)")
  }

  @Test func `it is run time that is shared, not requests`() {
    let used = share([(1, 40, 30_000_000), (1, 40, 1_000_000)])
    #expect(part(used, 1) >= 0.45, "\(used)")
  }

  @Test func `weights divide the time`() {
    let used = share([(3, 10, 2_000_000), (1, 100, 2_000_000)])
    #expect((0.73...0.77).contains(part(used, 0)), "\(used)")
  }

  @Test func `a hundred tenants get a hundredth each`() {
    let used = share((0..<100).map { (1, $0 == 0 ? 1000 : 5, 1_000_000) })
    for number in 0..<100 { #expect((0.009...0.011).contains(part(used, number)), "\(number): \(used[number])") }
  }

  @Test func `who was idle has saved nothing up`() {
    var queue = FairQueue<Int>()
    for _ in 0..<1000 { queue.append(0, of: 0, weight: 1) }
    // Tenant 1 comes, goes, and stays away while the other uses all.
    queue.append(1, of: 1, weight: 1)
    for _ in 0..<500 {
      guard let number = queue.next() else { break }
      queue.charge(UInt64(number), tookNs: 1_000_000)
    }
    for _ in 0..<100 { queue.append(1, of: 1, weight: 1) }
    var served = [0, 0]
    for _ in 0..<20 {
      guard let number = queue.next() else { break }
      queue.charge(UInt64(number), tookNs: 1_000_000)
      served[number] += 1
    }
    #expect(abs(served[0] - served[1]) <= 2, "\(served)")
  }

  @Test func `what is taken out is not served, and the rest is`() {
    var queue = FairQueue<Int>()
    for number in 0..<10 { queue.append(number, of: UInt64(number % 2), weight: 1) }
    #expect(queue.remove { $0 == 4 } == 4)
    #expect(queue.remove { $0 == 4 } == nil)
    for number in [1, 3, 5, 7, 9] { #expect(queue.remove { $0 == number } == number) }
    #expect(queue.count(of: 1) == 0 && queue.count == 4)
    #expect((0..<4).compactMap { _ in queue.next() } == [0, 2, 6, 8])
    queue.append(11, of: 3, weight: 1)
    #expect(queue.removeAll() == [11])
    #expect(queue.next() == nil && queue.isEmpty)
  }
}
