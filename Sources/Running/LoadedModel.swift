import CLinux
package import Inference
package import Telemetry
package import Threads

/// A model inside a runner, ready to run. Any thread.
package final class LoadedModel: Sendable {
  // What every request reads stands in front, side by side.

  package let signature: ModelSignature
  package let gate: RunGate
  package let place: RunPlace
  let home: any ModelHome
  /// Where its requests' times are counted, once there was one.
  package let times = KnownTimes()
  /// Of `request`.
  private let sharedGate: RunGate?

  /// What it was loaded by.
  package let request: Runner.LoadRequest
  /// The runner that has it, which alone may unload it.
  package let runner: Runner

  /// What it takes of its tenant's; nil where nobody counts.
  package let memory: MemoryClaim?

  private let threads: RunThreads

  /// Longest wait on an event loop for a run in another process that was thought to be quick; then it moves.
  ///
  /// Longer than the 4 ms between two ticks of a common kernel: a timer that is due before the next tick has to be told
  /// to the hardware, and again when the run ends first. In a virtual machine that is 2 us of a run of 10.
  private static let inlinePatienceNs: UInt64 = 5_000_000

  /// What a run took, in nanoseconds.
  package struct Times: Sendable {
    /// Until the run began.
    package let queueNs: UInt64
    package let runNs: UInt64
  }

  struct Placement {
    let threads: RunThreads
    let gate: RunGate
    let place: RunPlace
  }

  init(
    _ home: any ModelHome, _ signature: ModelSignature, request: Runner.LoadRequest, runner: Runner,
    memory: MemoryClaim?, placement: Placement
  ) {
    self.home = home
    self.signature = signature
    self.request = request
    sharedGate = request.sharedGate
    self.runner = runner
    self.memory = memory
    threads = placement.threads
    gate = placement.gate
    place = placement.place
  }

  package var runnerID: String { signature.runnerID }
  package var device: DeviceKind { request.device }
  package var format: String { request.format }
  package var inputs: [TensorSpec] { signature.inputs }
  package var outputs: [TensorSpec] { signature.outputs }
  package var metadata: [(key: String, value: String)] { signature.metadata }
  /// The memory that its runner's process shares with the host; nil in the host.
  package var sharedArena: SharedArena? { (home as? ProcessModel)?.arena }

  /// How its runner's process has ended; nil while it runs, and in the host.
  package var processEnd: HostError? { (home as? ProcessModel)?.processEnd }

  /// Notes what a request touches of it.
  package func note(_ lines: inout HotLines) {
    lines.add(self, 88)
    lines.add(signature, 33)
    lines.add(gate, 64)
    lines.add(place, 48)
    home.note(&lines)
    for specs in [inputs, outputs] {
      lines.add(specs)
      if let first = specs.first { lines.add(first.shape) }
    }
  }

  // MARK: Running

  /// Runs `request` when there is a free place: here if the model is quick, else on a run thread, or in a process that
  /// wakes `loop` when it is done.
  ///
  /// - Parameters:
  ///   - loop: The event loop that the task prefers; nil if it is on none.
  ///   - statistics: Where a run that fails is counted; one that succeeds is counted by the caller, with its answer.
  ///   - prepareToWait: Called once before anything slow begins, to arrange for cancellation.
  /// - Throws: Whatever the runner or the gate says.
  @discardableResult
  package func execute(
    _ request: RunRequest, on loop: (any TargetLoop)? = nil, statistics: ModelStatistics, prepareToWait: () -> Void
  ) async throws(HostError) -> Times {
    let began = linux_now_ns()
    request.runNs = 0
    var entered = began
    var isWatched = false
    if !gate.tryEnter() {
      do throws(HostError) {
        try gate.checkQueue(request.share)
      } catch {
        if error.code == .overloaded { statistics.fail.add(linux_now_ns() - began) }
        throw error
      }
      prepareToWait()
      watch(request.ticket)
      isWatched = true
      do {
        try await gate.enter(request.ticket, request.share)
      } catch {
        Deadlines.shared.remove(id: request.ticket.id)
        let failure = cancellationError(request.ticket) ?? error
        // A model that is being unloaded is looked up again.
        if !failure.isModelClosed { statistics.fail.add(linux_now_ns() - began) }
        throw failure
      }
      entered = linux_now_ns()
    }
    defer { gate.leave(request.share, runNs: request.runNs) }
    if let sharedGate, !sharedGate.tryEnter() {
      if !isWatched {
        prepareToWait()
        watch(request.ticket)
        isWatched = true
      }
      do throws(HostError) {
        try await sharedGate.enter(request.ticket, request.share)
      } catch {
        Deadlines.shared.remove(id: request.ticket.id)
        statistics.fail.add(linux_now_ns() - began)
        throw cancellationError(request.ticket) ?? error
      }
      entered = linux_now_ns()
    }
    defer { sharedGate?.leave(request.share, runNs: request.runNs) }
    if let error = cancellationError(request.ticket) {
      if isWatched { Deadlines.shared.remove(id: request.ticket.id) }
      throw error
    }
    let isInline = place.isInline
    if isInline {
      home.start(request)
      let runNs: UInt64?
      do {
        runNs = try finish(request, since: began, patienceNs: Self.inlinePatienceNs, statistics)
      } catch {
        if isWatched { Deadlines.shared.remove(id: request.ticket.id) }
        throw error
      }
      if let runNs {
        if isWatched { Deadlines.shared.remove(id: request.ticket.id) }
        return Times(queueNs: entered - began, runNs: runNs)
      }
    }
    if !isWatched {
      prepareToWait()
      watch(request.ticket)
    }
    let handed = linux_now_ns()
    // A process gets its run at once, while this one's thread is still waking up.
    if !isInline { home.start(request) }
    if let loop, let bell = home.bell(on: loop) {
      defer { Deadlines.shared.remove(id: request.ticket.id) }
      let runNs = try await finish(request, at: bell, from: handed, since: began, statistics)
      return Times(queueNs: entered - began, runNs: runNs)
    }
    let outcome = await withTaskExecutorPreference(threads) { () async -> Result<Times, HostError> in
      let started = linux_now_ns()
      return Result { () throws(HostError) in
        if self.home.isHere, let error = self.cancellationError(request.ticket) { throw error }
        let runNs = try self.finish(request, since: began, patienceNs: 0, statistics)
        return Times(queueNs: started - began, runNs: runNs ?? 0)
      }
    }
    Deadlines.shared.remove(id: request.ticket.id)
    return try outcome.get()
  }

  /// - Parameter since: When the request came; no run took longer than that is ago, whatever a process says.
  /// - Returns: Nil when patience ended first; nothing has been counted then.
  @inline(__always)
  private func finish(
    _ request: RunRequest, since: UInt64, patienceNs: UInt64, _ statistics: ModelStatistics
  ) throws(HostError) -> UInt64? {
    let start = linux_now_ns()
    let runNs: UInt64
    do {
      guard let done = try home.finish(request, patienceNs: patienceNs) else {
        place.note(patienceNs)
        return nil
      }
      runNs = done
    } catch {
      throw failed(request, error, from: start, statistics)
    }
    return try ended(request, runNs, from: start, since: since, statistics)
  }

  /// The same on an event loop, whose thread does other things meanwhile.
  ///
  /// - Parameter start: When the run was handed over.
  private func finish(
    _ request: RunRequest, at bell: RunBell, from start: UInt64, since: UInt64, _ statistics: ModelStatistics
  ) async throws(HostError) -> UInt64 {
    let runNs: UInt64
    do {
      runNs = try await home.finish(request, at: bell)
    } catch {
      throw failed(request, error, from: start, statistics)
    }
    return try ended(request, runNs, from: start, since: since, statistics)
  }

  /// Counts a run that failed.
  ///
  /// - Returns: What the caller is told.
  private func failed(
    _ request: RunRequest, _ error: HostError, from start: UInt64, _ statistics: ModelStatistics
  ) -> HostError {
    let duration = linux_now_ns() - start
    place.note(duration)
    request.runNs = duration
    statistics.addFailedRun(duration)
    guard error.code == .cancelled else { return error }
    return cancellationError(request.ticket) ?? HostError(.runnerFailed, error.message)
  }

  /// Notes what a run took that gave an answer.
  @inline(__always)
  private func ended(
    _ request: RunRequest, _ runNs: UInt64, from start: UInt64, since: UInt64, _ statistics: ModelStatistics
  ) throws(HostError) -> UInt64 {
    // What the run took by itself: being woken late says nothing of the model. But a process may say what it likes.
    let waited = linux_now_ns() - start
    place.note(max(runNs, waited / 4))
    request.runNs = min(runNs, start + waited - since)
    // A runner that doesn't look at its ticket may be late, and nobody waits any more.
    if request.ticket.deadlineNs != 0, let error = cancellationError(request.ticket) {
      statistics.addFailedRun(waited)
      throw error
    }
    return request.runNs
  }

  private func cancellationError(_ ticket: Ticket) -> HostError? {
    switch ticket.cancellation {
    case nil: nil
    case .caller: HostError(.cancelled, "the caller has left")
    case .deadline: HostError(.deadlineExceeded, "the deadline passed before runner \(runnerID) was done")
    }
  }

  // MARK: Cancelling

  private func watch(_ ticket: Ticket) {
    guard ticket.deadlineNs != 0 else { return }
    let id = ticket.id
    Deadlines.shared.add(id: id, deadlineNs: ticket.deadlineNs) { self.cancel(ticket, id: id, .deadline) }
  }

  /// Ends the wait or the run of the request that holds `id`; nothing happens if that is over. Any thread.
  package func cancel(_ ticket: Ticket, id: UInt64, _ reason: Ticket.Cancellation) {
    guard ticket.cancel(id: id, reason) else { return }
    gate.wake(ticketID: id)
    sharedGate?.wake(ticketID: id)
    home.interrupt(ticketID: id)
  }

  // MARK: Unloading

  /// Waits for runs to end, then unloads. [control], on the runner's thread from there on.
  func drain() async { await gate.closeAndDrain() }

  /// [control]. After `drain`.
  func unload() {
    home.unload()
    memory?.release()
  }
}
