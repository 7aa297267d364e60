import CLinux
import CRunning
import Glibc
import Inference
import Synchronization
import Threads
import Wire

/// A model in its runner's process: writes runs down where the process sees them, and waits for their end.
final class ProcessModel: ModelHome {
  private let number: UInt32
  private let signature: ModelSignature
  private let process: RunnerProcess
  private let layout: RunLayout
  /// The most that the outputs of a run have taken, so that the next one needn't ask for memory.
  private let outputBytes: Atomic<Int>
  /// What the last run took by itself, in nanoseconds: whether spinning for the next answer may pay.
  private let lastRunNs = Atomic<UInt64>(0)
  private let habit = SpinHabit()

  /// Room for small tensors behind a run's description.
  private static let smallBytes = 4096
  /// A process that spoils the state of a run may also forget to wake who waits for it.
  private static let longestSleepNs: UInt64 = 1_000_000_000
  /// Runs get no more than this part of the arena before they ask: many must fit.
  private static let preparedShare = 64
  /// Times that one run may ask for memory; more is a fault.
  private static let neediestRun = 1000

  init(_ number: UInt32, _ signature: ModelSignature, _ process: RunnerProcess) {
    self.number = number
    self.signature = signature
    self.process = process
    layout = RunLayout(inputCount: signature.inputs.count, outputRoom: signature.outputs.count)
    outputBytes = Atomic(min(signature.knownOutputBytes, process.arena.byteCount / Self.preparedShare))
  }

  var arena: SharedArena { process.arena }
  var processEnd: HostError? { process.end == nil ? nil : process.failure }
  var isHere: Bool { false }
  func note(_ lines: inout HotLines) { lines.add(self, 80) }

  func begin(_ request: RunRequest) throws(HostError) {
    let size = ArenaSpace.size(for: layout.byteCount + Self.smallBytes)
    guard let start = request.arena.share(process.arena, headerBytes: layout.byteCount, byteCount: size) else {
      throw .outOfMemory
    }
    request.share(process.arena, start.assumingMemoryBound(to: shared_run.self), layout)
  }

  // MARK: A run

  func start(_ request: RunRequest) {
    guard let run = request.shared?.run else { return }
    let ticket = request.ticket
    run.pointee.state = UInt32(SHARED_RUN_SUBMITTED)
    run.pointee.cancel = 0
    run.pointee.ticket = ticket.id
    run.pointee.deadline_ns = ticket.deadlineNs
    run.pointee.model = number
    run.pointee.output_count = 0
    request.describeInputs()
    give(request, outputBytes.load(ordering: .relaxed))
    do throws(HostError) {
      if let shared = request.shared { try process.submit(shared, ticket: ticket.id, model: number) }
      // Who cancelled before the run was handed over found nothing to cancel.
      if ticket.isCancelled { process.cancel(ticket: ticket.id) }
    } catch {
      request.shared?.refusal = error
    }
  }

  /// Gives a run memory for outputs; none when the limit is reached, or the arena is full.
  private func give(_ request: RunRequest, _ byteCount: Int) {
    guard let shared = request.shared else { return }
    // At least what small outputs take, since asking again costs two wake-ups.
    let wanted = max(byteCount, 1024)
    var memory: UnsafeMutableRawPointer?
    if wanted <= request.outputByteLimit + 1024 - min(shared.givenBytes, request.outputByteLimit) {
      memory = request.arena.allocate(wanted)
    }
    if let memory { shared.give(Int(shared.offset(of: memory)), wanted) }
    shared.run.pointee.given_offset = memory.map { shared.offset(of: $0) } ?? 0
    shared.run.pointee.given_bytes = memory == nil ? 0 : UInt64(wanted)
  }

  func finish(_ request: RunRequest, patienceNs: UInt64) throws(HostError) -> UInt64? {
    guard let shared = request.shared else { throw .outOfMemory }
    if let refusal = shared.refusal { throw refusal }
    var needs = 0
    while true {
      switch Int(wait(shared.state, patienceNs)) {
      case SHARED_RUN_SUBMITTED, SHARED_RUN_SLEEPING: return nil
      case SHARED_RUN_NEEDS:
        needs += 1
        if needs > Self.neediestRun { return try fault(Self.needy, waits: patienceNs == 0) }
        give(request, needed(shared))
        // Unless its process has ended meanwhile, of which the state tells by now.
        if shared_replace(shared.state, UInt32(SHARED_RUN_NEEDS), UInt32(SHARED_RUN_SUBMITTED)) {
          shared_wake(shared.state, 1)
        }
      case SHARED_RUN_DONE:
        process.forget(ticket: request.ticket.id)
        return try take(request)
      case SHARED_RUN_DIED where process.end != nil: throw process.failure
      default: return try fault(Self.garbage, waits: patienceNs == 0)
      }
    }
  }

  private static let needy = "a run asked for memory more than \(neediestRun) times"
  private static let garbage = "it wrote garbage where the state of a run stands"

  private func needed(_ shared: SharedRun) -> Int {
    let bytes = UnsafeMutableRawPointer(shared.run) + MemoryLayout<shared_run>.offset(of: \.needed_bytes)!
    return Int(clamping: shared_load64(bytes.assumingMemoryBound(to: UInt64.self)))
  }

  func bell(on loop: any TargetLoop) -> RunBell? { process.bell(on: loop) }

  func finish(_ request: RunRequest, at bell: RunBell) async throws(HostError) -> UInt64 {
    guard let shared = request.shared else { throw .outOfMemory }
    if let refusal = shared.refusal { throw refusal }
    var waits = 0
    while true {
      let now = shared_load(shared.state)
      switch Int(now) {
      // Once it waits here, only the process changes its state, and never back to one of these.
      case SHARED_RUN_SUBMITTED where waits == 0, SHARED_RUN_SLEEPING where waits == 0, SHARED_RUN_NEEDS:
        if waits > Self.neediestRun { throw await fault(Self.needy, at: bell) }
        if now == UInt32(SHARED_RUN_NEEDS) { give(request, needed(shared)) }
        // Unless there is news, or its process has ended meanwhile.
        guard shared_replace(shared.state, now, bell.waiting) else { continue }
        if now == UInt32(SHARED_RUN_NEEDS) { shared_wake(shared.state, 1) }
        waits += 1
        await bell.wait(for: shared.state)
      case SHARED_RUN_DONE:
        process.forget(ticket: request.ticket.id)
        return try take(request)
      case SHARED_RUN_DIED where process.end != nil: throw process.failure
      default: throw await fault(Self.garbage, at: bell)
      }
    }
  }

  /// Ends the process for what it has done, and waits for that: nothing of the request may go before.
  private func fault(_ reason: String, at bell: RunBell) async -> HostError {
    process.charge(reason)
    await bell.awaitEnd()
    return process.failure
  }

  /// Ends the process for what it has done.
  ///
  /// - Returns: Nil if the caller may not wait for that; nothing of the request may go before.
  private func fault(_ reason: String, waits: Bool) throws(HostError) -> UInt64? {
    process.charge(reason)
    guard waits else { return nil }
    process.awaitEnd()
    throw process.failure
  }

  /// Waits until the run is no longer with the process, or until patience ends; 0 = it never does.
  private func wait(_ state: UnsafeMutablePointer<UInt32>, _ patienceNs: UInt64) -> UInt32 {
    spin(state)
    while true {
      let now = shared_load(state)
      if now > UInt32(SHARED_RUN_SLEEPING) { return now }
      if now == UInt32(SHARED_RUN_SUBMITTED) {
        guard shared_replace(state, now, UInt32(SHARED_RUN_SLEEPING)) else { continue }
      }
      shared_wait(state, UInt32(SHARED_RUN_SLEEPING), patienceNs == 0 ? Self.longestSleepNs : patienceNs)
      guard shared_load(state) <= UInt32(SHARED_RUN_SLEEPING) else { continue }
      if process.end != nil { return UInt32(SHARED_RUN_DIED) }
      // Nothing has woken it but the time.
      if patienceNs != 0 { return UInt32(SHARED_RUN_SLEEPING) }
    }
  }

  /// Looks for the end of a run that should take no longer than a wake-up does.
  private func spin(_ state: UnsafeMutablePointer<UInt32>) {
    let longest = process.spinNs
    // For the time of a wake-up; a run that takes longer by itself is better slept through.
    guard longest > 0, lastRunNs.load(ordering: .relaxed) < longest / 4, habit.pays else { return }
    let began = linux_now_ns()
    repeat {
      for _ in 0..<32 {
        if shared_load(state) > UInt32(SHARED_RUN_SLEEPING) { return habit.note(found: true) }
        shared_pause()
      }
      // Whoever is looked for may wait for this very core.
      sched_yield()
    } while linux_now_ns() - began < longest / 4
    habit.note(found: false)
  }

  private func take(_ request: RunRequest) throws(HostError) -> UInt64 {
    do {
      let runNs = try request.takeShared(signature)
      lastRunNs.store(runNs, ordering: .relaxed)
      // An answer that is smaller once doesn't shrink it.
      let bytes = request.takenBytes + 64 * request.outputs.count
      if bytes > outputBytes.load(ordering: .relaxed) {
        outputBytes.store(min(bytes, process.arena.byteCount / Self.preparedShare), ordering: .relaxed)
      }
      return runNs
    } catch {
      if error.code == .internalError {
        process.charge(error.message)
        throw HostError(.runnerFailed, "runner \(process.runnerID) misbehaves: \(error.message)")
      }
      throw error
    }
  }

  func interrupt(ticketID: UInt64) { process.cancel(ticket: ticketID) }

  func unload() {
    if process.end == nil {
      _ = try? process.call(["unload": .integer(number)], timeoutMs: 60_000, doing: "unload a model")
    }
    process.arena.trim()
  }
}
