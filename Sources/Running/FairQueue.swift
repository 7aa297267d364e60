/// Those who wait, in an order that is fair between tenants: deficit round robin by run time. One tenant alone: first in,
/// first out.
///
/// A run is charged at what one takes on average when it begins, and at what it took when it has ended. A turn gives a
/// tenant an average run times its weight, so that a turn serves somebody unless the tenant has had more than its part: a
/// decision is O(1) on average, and where a whole round serves nobody, the rounds still missing are made up at once.
struct FairQueue<Element> {
  private final class Flow {
    let tenant: UInt64
    var weight: Int64 = 1
    /// Nanoseconds of run time; below zero owed.
    var balance: Int64 = 0
    /// Runs under way that were charged at their start, and with how much in sum.
    var chargedCount: Int64 = 0
    var chargedNs: Int64 = 0
    var waiting: [Element] = []
    var first = 0
    var isInRound = false
    var next: Flow?

    init(_ tenant: UInt64) { self.tenant = tenant }

    var count: Int { waiting.count - first }

    func removeFirst() -> Element {
      let element = waiting[first]
      first += 1
      if first == waiting.count {
        waiting.removeAll(keepingCapacity: true)
        first = 0
      } else if first == 1024 {
        waiting.removeFirst(first)
        first = 0
      }
      return element
    }
  }

  /// More than any run, and little enough that sums fit.
  private static var longestNs: Int64 { 1 << 42 }
  static var largestWeight: Int { 1 << 10 }

  private(set) var count = 0
  private var flows: [UInt64: Flow] = [:]
  private var head: Flow?
  private var tail: Flow?
  private var roundCount = 0
  /// Whether the tenant in front has been given what its turn brings.
  private var hasTurn = false
  /// Of a run; until the first has ended, a guess.
  private(set) var averageNs: Int64 = 1_000_000

  var isEmpty: Bool { count == 0 }

  func count(of tenant: UInt64) -> Int { flows[tenant]?.count ?? 0 }

  mutating func append(_ element: Element, of tenant: UInt64, weight: Int) {
    let flow = flows[tenant] ?? Flow(tenant)
    flows[tenant] = flow
    flow.weight = Int64(min(max(weight, 1), Self.largestWeight))
    flow.waiting.append(element)
    count += 1
    if !flow.isInRound { enter(flow) }
  }

  /// Who is next, charged with an average run.
  mutating func next() -> Element? {
    guard count > 0 else { return nil }
    var visits = 0
    while let flow = head {
      if flow.count == 0 {
        leave()
        continue
      }
      if !hasTurn {
        hasTurn = true
        flow.balance += averageNs * flow.weight
      }
      if flow.balance > 0 {
        flow.balance -= averageNs
        flow.chargedNs += averageNs
        flow.chargedCount += 1
        count -= 1
        let element = flow.removeFirst()
        if flow.count == 0 { leave() }
        if count == 0 { settleAll() }
        return element
      }
      visits += 1
      rotate()
      if visits == roundCount {
        makeUpRounds()
        visits = 0
      }
    }
    return nil
  }

  /// Charges what a run has taken instead of what was charged at its start, if it was.
  mutating func charge(_ tenant: UInt64, tookNs: UInt64) {
    let took = Int64(min(tookNs, UInt64(Self.longestNs)))
    averageNs = max(1000, averageNs + (took - averageNs) / 16)
    // Who isn't known here used time that nobody else wanted.
    guard let flow = flows[tenant] else { return }
    var charged: Int64 = 0
    if flow.chargedCount > 0 {
      charged = flow.chargedNs / flow.chargedCount
      flow.chargedNs -= charged
      flow.chargedCount -= 1
    }
    flow.balance = max(flow.balance - (took - charged), -Self.longestNs)
    if flow.count == 0 { flow.balance = min(flow.balance, 0) }
  }

  /// The first element that is looked for. O(those who wait).
  mutating func remove(where isWanted: (Element) -> Bool) -> Element? {
    for flow in flows.values {
      guard let index = flow.waiting[flow.first...].firstIndex(where: isWanted) else { continue }
      count -= 1
      return flow.waiting.remove(at: index)
    }
    return nil
  }

  mutating func removeAll() -> [Element] {
    let all = flows.values.flatMap { $0.waiting[$0.first...] }
    for flow in flows.values {
      flow.waiting = []
      flow.first = 0
    }
    count = 0
    settleAll()
    return all
  }

  // MARK: The round

  private mutating func enter(_ flow: Flow) {
    flow.isInRound = true
    flow.next = nil
    if let tail { tail.next = flow } else { head = flow }
    tail = flow
    roundCount += 1
  }

  /// Takes the tenant in front out: it waits for nothing and saves nothing up.
  private mutating func leave() {
    guard let flow = head else { return }
    head = flow.next
    if head == nil { tail = nil }
    flow.next = nil
    flow.isInRound = false
    flow.balance = min(flow.balance, 0)
    roundCount -= 1
    hasTurn = false
  }

  private mutating func rotate() {
    hasTurn = false
    guard let flow = head, let last = tail, flow !== last else { return }
    head = flow.next
    flow.next = nil
    last.next = flow
    tail = flow
  }

  /// Gives everybody as many turns at once as the first of them still needs.
  private mutating func makeUpRounds() {
    var rounds = Int64.max
    var flow = head
    while let one = flow {
      rounds = min(rounds, max(0, -one.balance) / (averageNs * one.weight))
      flow = one.next
    }
    flow = head
    while let one = flow {
      one.balance += rounds * averageNs * one.weight
      flow = one.next
    }
  }

  /// Nobody waits any more, so nobody is owed anything.
  private mutating func settleAll() {
    while let flow = head {
      head = flow.next
      flow.next = nil
    }
    tail = nil
    roundCount = 0
    hasTurn = false
    flows.removeAll(keepingCapacity: true)
  }
}
