import CLinux
import Glibc
package import Inference

/// Closed loop: each connection sends its next request when the last one is answered.
extension LoadGenerator {
  static let batch = 64
  /// A server that only fails is no server to measure.
  static let mostErrors: UInt64 = 200

  /// - Parameters:
  ///   - count: Connections in use.
  ///   - settle: Load before the window begins, which is not counted.
  ///   - atLeast: Answers that the window waits for, however long they take.
  /// - Throws: `HostError` when nothing answers for the generator's timeout, or when nearly all answers are errors.
  package func closed(
    _ count: Int, settle: Duration, duration: Duration, atLeast: Int
  ) throws(HostError) -> Window {
    try connect(count)
    var run = ClosedRun(
      settleNs: UInt64(settle / .nanoseconds(1)), durationNs: UInt64(duration / .nanoseconds(1)),
      atLeast: UInt64(atLeast))
    if count == 1 { try one(&run) } else { try many(count, &run) }
    return run.window
  }

  /// Blocking calls: the least that a client can add to a latency.
  private func one(_ run: inout ClosedRun) throws(HostError) {
    let connection = connections[0]
    var now = linux_now_ns()
    while true {
      begin(connection, at: now)
      var outcome = Outcome.broken("the request broke off")
      if send(connection, flags: CInt(MSG_NOSIGNAL)) {
        repeat {
          outcome = receive(connection, flags: 0)
          guard case .waiting = outcome else { break }
          try checkTime(connection, linux_now_ns())
        } while true
      }
      now = linux_now_ns()
      try book(connection, outcome, now, &run)
      if run.isOver(at: now) { return }
    }
  }

  private func many(_ count: Int, _ run: inout ClosedRun) throws(HostError) {
    let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
    let start = linux_now_ns()
    for connection in connections[..<count] {
      begin(connection, at: start)
      // What broke is seen when it is read.
      _ = send(connection, flags: flags)
    }
    var busy = count
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Self.batch)
    defer { events.deallocate() }
    while busy > 0 {
      let ready = epoll_wait(epoll, events, CInt(Self.batch), 1000)
      if ready <= 0 {
        let now = linux_now_ns()
        for connection in connections[..<count] where connection.pointee.isBusy { try checkTime(connection, now) }
        continue
      }
      for index in 0..<Int(ready) {
        let connection = events[index].data.ptr.assumingMemoryBound(to: LoadConnection.self)
        if events[index].events & EPOLLOUT.rawValue != 0 { _ = send(connection, flags: flags) }
        if events[index].events & ~EPOLLOUT.rawValue == 0 { continue }
        let outcome = receive(connection, flags: flags)
        if case .waiting = outcome { continue }
        let now = linux_now_ns()
        guard connection.pointee.isBusy else {
          try reopen(connection)
          continue
        }
        try book(connection, outcome, now, &run)
        connection.pointee.isBusy = false
        if run.isOver(at: now) {
          busy -= 1
        } else {
          begin(connection, at: now)
          _ = send(connection, flags: flags)
        }
      }
    }
  }

  func checkTime(_ connection: UnsafeMutablePointer<LoadConnection>, _ now: UInt64) throws(HostError) {
    guard now > connection.pointee.dueNs + timeoutNs else { return }
    throw HostError(
      .deadlineExceeded, "no answer from \(address) in \(timeoutNs / 1_000_000_000) s; see whether it hangs")
  }

  @inline(__always)
  private func book(
    _ connection: UnsafeMutablePointer<LoadConnection>, _ outcome: Outcome, _ now: UInt64, _ run: inout ClosedRun
  ) throws(HostError) {
    if case .answered = outcome {
      run.add(from: connection.pointee.dueNs, to: now, isUnchanged: isUnchanged(connection))
    } else {
      try bookError(connection, outcome, &run.window)
    }
  }

  /// Counts what went wrong and mends the connection.
  func bookError(
    _ connection: UnsafeMutablePointer<LoadConnection>, _ outcome: Outcome, _ window: inout Window
  ) throws(HostError) {
    window.errors += 1
    switch outcome {
    case .refused(let text):
      window.problem = window.problem ?? text
    case .broken(let text):
      window.problem = window.problem ?? text
      try reopen(connection)
    case .answered, .waiting: break
    }
    guard window.errors < Self.mostErrors || window.errors < window.answered else {
      throw HostError(
        .runnerFailed,
        "\(window.errors) of \(window.errors + window.answered) requests failed: \(window.problem ?? "no reason given")"
      )
    }
  }
}

/// One closed-loop window under way.
struct ClosedRun {
  var window = Window()
  private let settledNs: UInt64
  private let durationNs: UInt64
  private let atLeast: UInt64

  init(settleNs: UInt64, durationNs: UInt64, atLeast: UInt64) {
    let now = linux_now_ns()
    settledNs = now + settleNs
    self.durationNs = durationNs
    self.atLeast = atLeast
    window.beginNs = settleNs == 0 ? now : 0
  }

  /// The rate goes from the first answer after the settling, which only starts the clock, to the last one in time:
  /// so many answers in so long, whatever was under way at either end.
  @inline(__always)
  mutating func add(from dueNs: UInt64, to now: UInt64, isUnchanged: Bool) {
    window.exchanges += 1
    window.exchangesNs += now - dueNs
    if now < settledNs { return }
    if !isOver(at: now) || window.inTime == 0 {
      if window.beginNs == 0 {
        window.beginNs = now
      } else {
        window.inTime += 1
        window.lastNs = now
      }
    }
    if dueNs < settledNs { return }
    window.answered += 1
    if !isUnchanged { window.changed += 1 }
    window.latencies.add(now - dueNs)
  }

  @inline(__always)
  func isOver(at now: UInt64) -> Bool {
    now >= settledNs + durationNs && window.answered + window.errors >= atLeast
  }
}
