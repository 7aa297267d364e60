package import Inference
import Synchronization

/// Whose run it is, for those who wait: tenants share run time by their weights.
package struct RunShare: Sendable {
  package let tenant: UInt64
  package let weight: Int

  package init(tenant: UInt64, weight: Int) {
    self.tenant = tenant
    self.weight = weight
  }

  static let standard = RunShare(tenant: 0, weight: 1)
}

/// Lets a bounded number of runs in; the others wait, in an order that is fair between tenants. Any thread.
package final class RunGate: Sendable {
  private struct Waiter {
    let ticketID: UInt64
    let continuation: CheckedContinuation<Entry, Never>
  }
  private enum Entry { case entered, cancelled, closed, full }
  private struct State: ~Copyable {
    // What a run without a wait looks at stands in front.
    var running = 0
    var isClosed = false
    var waiting = FairQueue<Waiter>()
    /// Resumed when the last run has left a closed gate.
    var whenEmpty: [CheckedContinuation<Void, Never>] = []
  }

  package let limit: Int
  private let queueLimit: Int
  private let state = Mutex(State())

  /// - Parameters:
  ///   - limit: Runs at once.
  ///   - queueLimit: Requests of one tenant that may wait; further ones are refused. Of each: a flood fills nobody else's.
  package init(limit: Int, queueLimit: Int) {
    self.limit = limit
    self.queueLimit = queueLimit
  }

  package var runningCount: Int { state.withLock { $0.running } }
  package var waitingCount: Int { state.withLock { $0.waiting.count } }
  package var counts: (running: Int, waiting: Int) { state.withLock { ($0.running, $0.waiting.count) } }
  package var isClosed: Bool { state.withLock { $0.isClosed } }

  /// Enters if there is a free place and nobody waits.
  @inline(__always)
  func tryEnter() -> Bool {
    state.withLock { state in
      guard state.running < limit, state.waiting.isEmpty, !state.isClosed else { return false }
      state.running += 1
      return true
    }
  }

  /// Waits for a place.
  ///
  /// - Throws: `.overloaded` with a full queue, `.cancelled` when the ticket was cancelled meanwhile, `.conflict` when the
  ///   model is being unloaded.
  func enter(_ ticket: Ticket, _ share: RunShare = .standard) async throws(HostError) {
    let id = ticket.id
    let entry = await withCheckedContinuation { (continuation: CheckedContinuation<Entry, Never>) in
      let now: Entry? = state.withLock { state in
        if state.isClosed { return .closed }
        if ticket.isCancelled { return .cancelled }
        if state.running < limit && state.waiting.isEmpty {
          state.running += 1
          return .entered
        }
        if state.waiting.count(of: share.tenant) >= queueLimit { return .full }
        state.waiting.append(
          Waiter(ticketID: id, continuation: continuation), of: share.tenant, weight: share.weight)
        return nil
      }
      if let now { continuation.resume(returning: now) }
    }
    switch entry {
    case .entered: return
    case .closed: throw .modelClosed
    case .full: throw full(queueLimit)
    case .cancelled: throw HostError(.cancelled, "cancelled while waiting for a free place")
    }
  }

  /// Asked before anything is arranged for a wait; `enter` decides.
  ///
  /// - Throws: `.overloaded` when as many wait as may, `.conflict` when the model is being unloaded.
  func checkQueue(_ share: RunShare = .standard) throws(HostError) {
    let (waiting, isClosed) = state.withLock { ($0.waiting.count(of: share.tenant), $0.isClosed) }
    if isClosed { throw .modelClosed }
    if waiting >= queueLimit { throw full(waiting) }
  }

  private func full(_ waiting: Int) -> HostError {
    HostError(.overloaded, "\(waiting) requests wait for this model, \(queueLimit) may; try again later")
  }

  /// - Parameter runNs: What the run took.
  func leave(_ share: RunShare = .standard, runNs: UInt64 = 0) {
    let (next, empty) = state.withLock { state -> (Waiter?, [CheckedContinuation<Void, Never>]?) in
      if !state.waiting.isEmpty {
        state.waiting.charge(share.tenant, tookNs: runNs)
        return (state.waiting.next(), nil)
      }
      state.running -= 1
      guard state.running == 0, state.isClosed else { return (nil, nil) }
      defer { state.whenEmpty = [] }
      return (nil, state.whenEmpty)
    }
    next?.continuation.resume(returning: .entered)
    if let empty { for continuation in empty { continuation.resume() } }
  }

  /// Ends the wait of a cancelled ticket.
  func wake(ticketID: UInt64) {
    let waiter = state.withLock { state in state.waiting.remove { $0.ticketID == ticketID } }
    waiter?.continuation.resume(returning: .cancelled)
  }

  /// Lets nobody in any more and sends those who wait away to look for another version. Any thread.
  package func close() {
    let refused = state.withLock { state -> [Waiter] in
      state.isClosed = true
      return state.waiting.removeAll()
    }
    for waiter in refused { waiter.continuation.resume(returning: .closed) }
  }

  /// Closes and returns once all have left.
  func closeAndDrain() async {
    close()
    await withCheckedContinuation { continuation in
      let isEmpty = state.withLock { state in
        if state.running == 0 { return true }
        state.whenEmpty.append(continuation)
        return false
      }
      if isEmpty { continuation.resume() }
    }
  }
}

extension HostError {
  fileprivate static let modelClosed = HostError(.conflict, "the model is being unloaded")

  /// The request came to a model that was being unloaded and has not reached its runner: another version may take it.
  package var isModelClosed: Bool { code == .conflict && message == Self.modelClosed.message }
}
