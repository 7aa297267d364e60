import Inference
import Testing

@testable import Running

@Suite struct `The gate of a model` {
  private func ticket() -> Ticket {
    let ticket = Ticket()
    ticket.renew(deadlineNs: 0)
    return ticket
  }

  /// The code that waiting at `gate` ends with; nil when it let the ticket in.
  private func enter(_ gate: RunGate, _ ticket: Ticket) async -> HostError.Code? {
    do throws(HostError) {
      try await gate.enter(ticket)
      return nil
    } catch {
      return error.code
    }
  }

  @Test func `lets in as many as the limit says`() {
    let gate = RunGate(limit: 3, queueLimit: 0)
    #expect((0..<5).map { _ in gate.tryEnter() } == [true, true, true, false, false])
    #expect(gate.runningCount == 3)
    gate.leave()
    #expect(gate.tryEnter())
    #expect(!gate.tryEnter())
  }

  @Test func `lets in those who wait in the order in which they came`() async throws {
    let gate = RunGate(limit: 1, queueLimit: 100)
    #expect(gate.tryEnter())
    let order = Locked<[Int]>([])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<20 {
        let ticket = ticket()
        group.addTask {
          try await gate.enter(ticket)
          order.withLock { $0.append(number) }
          gate.leave()
        }
        try await wait(for: "waiter \(number)") { gate.waitingCount == number + 1 }
      }
      // Nobody overtakes.
      #expect(!gate.tryEnter())
      gate.leave()
      try await group.waitForAll()
    }
    #expect(order.withLock { $0 } == Array(0..<20))
    #expect(gate.runningCount == 0)
  }

  @Test func `refuses whom the queue doesn't take`() async throws {
    let gate = RunGate(limit: 1, queueLimit: 1)
    #expect(gate.tryEnter())
    try gate.checkQueue()
    let first = ticket()
    async let waiting = enter(gate, first)
    try await wait(for: "the waiter") { gate.waitingCount == 1 }
    do throws(HostError) {
      try gate.checkQueue()
      Issue.record("a second one may wait")
    } catch {
      #expect(error.code == .overloaded)
      #expect(error.message == "1 requests wait for this model, 1 may; try again later")
    }
    // Also when several have passed the check at once.
    #expect(await enter(gate, ticket()) == .overloaded)
    gate.leave()
    #expect(await waiting == nil)
    gate.leave()
  }

  @Test func `a cancelled ticket waits no longer and takes nobody's place`() async throws {
    let gate = RunGate(limit: 1, queueLimit: 10)
    #expect(gate.tryEnter())
    let tickets = (0..<3).map { _ in ticket() }
    async let first = enter(gate, tickets[0])
    try await wait(for: "the first waiter") { gate.waitingCount == 1 }
    async let second = enter(gate, tickets[1])
    try await wait(for: "the second waiter") { gate.waitingCount == 2 }
    gate.wake(ticketID: tickets[2].id)
    #expect(gate.waitingCount == 2)
    #expect(tickets[0].cancel(id: tickets[0].id, .caller))
    gate.wake(ticketID: tickets[0].id)
    #expect(await first == .cancelled)
    #expect(gate.runningCount == 1)
    gate.leave()
    #expect(await second == nil)
    gate.leave()
    #expect(gate.runningCount == 0)
  }

  @Test func `a ticket that is cancelled before doesn't wait`() async {
    let gate = RunGate(limit: 1, queueLimit: 10)
    #expect(gate.tryEnter())
    let ticket = ticket()
    ticket.cancel(id: ticket.id, .caller)
    #expect(await enter(gate, ticket) == .cancelled)
    gate.leave()
  }

  @Test func `closing sends those away who wait and lets those finish who run`() async throws {
    let gate = RunGate(limit: 1, queueLimit: 10)
    #expect(gate.tryEnter())
    let waiter = ticket()
    async let waiting = enter(gate, waiter)
    try await wait(for: "the waiter") { gate.waitingCount == 1 }
    let isDrained = Locked(false)
    async let first: Void = gate.closeAndDrain()
    async let second: Void = {
      await gate.closeAndDrain()
      isDrained.withLock { $0 = true }
    }()
    #expect(await waiting == .conflict)
    #expect(!gate.tryEnter())
    #expect(await enter(gate, ticket()) == .conflict)
    #expect(!isDrained.withLock { $0 })
    gate.leave()
    await first
    await second
    await gate.closeAndDrain()
    #expect(gate.runningCount == 0)
  }

  @Test func `a closed gate says so whatever its queue takes`() async {
    let gate = RunGate(limit: 1, queueLimit: 0)
    await gate.closeAndDrain()
    do throws(HostError) {
      try gate.checkQueue()
      Issue.record("the gate is closed")
    } catch {
      #expect(error.code == .conflict)
      #expect(error.isModelClosed)
    }
  }

  @Test func `survives a storm of entering, cancelling and leaving`() async throws {
    let gate = RunGate(limit: 4, queueLimit: 10_000)
    let most = Locked((now: 0, ever: 0))
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<2000 {
        let ticket = ticket()
        group.addTask {
          if await enter(gate, ticket) == nil {
            most.withLock {
              $0.now += 1
              $0.ever = max($0.ever, $0.now)
            }
            await Task.yield()
            most.withLock { $0.now -= 1 }
            gate.leave()
          }
        }
        if number % 3 == 0 {
          group.addTask {
            if ticket.cancel(id: ticket.id, .caller) { gate.wake(ticketID: ticket.id) }
          }
        }
      }
    }
    #expect(gate.runningCount == 0)
    #expect(gate.waitingCount == 0)
    #expect(most.withLock { $0.ever } <= 4)
  }
}
