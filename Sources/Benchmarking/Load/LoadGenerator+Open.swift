import CLinux
import Glibc
package import Inference

/// Open loop: requests begin when a schedule says so, and a latency goes from that moment, even if no connection was
/// free: a server that stalls for 50 ms at 2,000 requests a second makes 100 answers late, not one.
extension LoadGenerator {
  /// - Parameters:
  ///   - count: Connections at most; a request that finds all of them busy waits, and its wait counts.
  ///   - rate: Requests a second.
  /// - Returns: Requests that were due and could not be sent within a second after the end are in `unsent`, and in the
  ///   latencies with the time they had waited by then.
  package func open(
    _ count: Int, rate: Double, arrivals: Arrivals, duration: Duration, seed: UInt64
  ) throws(HostError) -> Window {
    try connect(count)
    linux_sleep_precisely()
    var schedule = Schedule(rate: rate, arrivals: arrivals, seed: seed, durationNs: UInt64(duration / .nanoseconds(1)))
    var window = Window()
    (window.beginNs, window.lastNs) = (schedule.beginNs, schedule.endNs)
    var free = Array(connections[..<count])
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Self.batch)
    defer { events.deallocate() }
    while true {
      let now = linux_now_ns()
      while let due = schedule.due(by: now), let connection = free.popLast() {
        begin(connection, at: due)
        _ = send(connection, flags: CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
        schedule.advance()
      }
      if schedule.isOver, free.count == count { return window }
      if now > schedule.endNs + 1_000_000_000, !schedule.isOver {
        while let due = schedule.due(by: now) {
          window.unsent += 1
          window.latencies.add(now - due)
          schedule.advance()
        }
      }
      for connection in connections[..<count] where free.count < count && connection.pointee.isBusy {
        if now > connection.pointee.dueNs + timeoutNs { try checkTime(connection, now) }
      }
      let waitNs = free.isEmpty || schedule.isOver ? 100_000_000 : schedule.nextNs > now ? schedule.nextNs - now : 0
      let ready = linux_epoll_wait(epoll, events, CInt(Self.batch), Int64(min(waitNs, 100_000_000)))
      for index in 0..<Int(max(ready, 0)) {
        try take(events[index], &window, &free, schedule.endNs)
      }
    }
  }

  private func take(
    _ event: epoll_event, _ window: inout Window, _ free: inout [UnsafeMutablePointer<LoadConnection>], _ endNs: UInt64
  ) throws(HostError) {
    let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
    let connection = event.data.ptr.assumingMemoryBound(to: LoadConnection.self)
    if event.events & EPOLLOUT.rawValue != 0 { _ = send(connection, flags: flags) }
    if event.events & ~EPOLLOUT.rawValue == 0 { return }
    let outcome = receive(connection, flags: flags)
    if case .waiting = outcome { return }
    guard connection.pointee.isBusy else {
      try reopen(connection)
      return
    }
    if case .answered = outcome {
      let now = linux_now_ns()
      window.latencies.add(now - connection.pointee.dueNs)
      window.answered += 1
      if !isUnchanged(connection) { window.changed += 1 }
      if now <= endNs { window.inTime += 1 }
    } else {
      try bookError(connection, outcome, &window)
    }
    connection.pointee.isBusy = false
    free.append(connection)
  }
}

/// The moments at which requests are due.
struct Schedule {
  let beginNs: UInt64
  let endNs: UInt64
  private let gapNs: Double
  private let arrivals: Arrivals
  private var generator: SeededGenerator
  private var offsetNs: Double

  init(rate: Double, arrivals: Arrivals, seed: UInt64, durationNs: UInt64, beginNs: UInt64 = linux_now_ns()) {
    self.beginNs = beginNs
    endNs = beginNs + durationNs
    gapNs = 1e9 / rate
    self.arrivals = arrivals
    generator = SeededGenerator(seed: seed)
    offsetNs = arrivals == .poisson ? generator.exponential() * gapNs : 0
  }

  var nextNs: UInt64 { beginNs + UInt64(offsetNs) }
  var isOver: Bool { nextNs >= endNs }

  /// The next moment, if it isn't after `now` nor after the end.
  func due(by now: UInt64) -> UInt64? {
    let next = nextNs
    return next <= now && next < endNs ? next : nil
  }

  mutating func advance() {
    offsetNs += arrivals == .poisson ? generator.exponential() * gapNs : gapNs
  }
}
