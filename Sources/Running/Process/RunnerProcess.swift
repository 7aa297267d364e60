import CLinux
import CRunning
import Confinement
import Glibc
import Inference
import Manifests
import Synchronization
import Telemetry
import Threads
import Wire

/// A runner's process as the host sees it: started, asked, handed runs, watched, ended.
///
/// `call`: one thread at a time. All else: any thread.
final class RunnerProcess: @unchecked Sendable {
  // @unchecked: what changes is in `state` and `mailbox`, each behind its lock.

  let key: RunnerKey
  var runnerID: String { key.id }
  let processID: Int32
  let arena: SharedArena
  let options: ProcessOptions
  /// Longest spin for an answer; 0 where host and process have one core to share.
  let spinNs: UInt64
  /// One for each event loop there was when it was started.
  private let bells: [RunBell]
  private let channel: ControlChannel
  /// What the process writes to its standard output and error.
  private let output: CInt
  private let onEnd: @Sendable (RunnerEnd) -> Void
  /// What limits its memory and CPU time, where the system lets the host do that.
  private let group: ControlGroup?

  private struct InFlight: @unchecked Sendable {
    // @unchecked: of what `run` points at, only words that both sides share are touched.
    let ticket: UInt64
    let model: UInt32
    /// The deadline by which a cancelled run must have ended; 0 before it is cancelled.
    var killID: UInt64 = 0
    let run: UnsafeMutablePointer<shared_run>
  }
  private struct State: ~Copyable {
    var ring: SubmissionRing
    var inFlight: [InFlight] = []
    var end: RunnerEnd?
    /// What the host has against it; it is being ended for that.
    var charge: String?
    /// That is a run that didn't end after it was cancelled.
    var isOverdueRun = false
    /// The host wants it to end.
    var isStopping = false
  }
  private let state: Mutex<State>

  private struct Mailbox: ~Copyable {
    var answer: JSONValue?
    var isClosed = false
  }
  private let mailbox = Mutex(Mailbox())
  /// Counts what the mailbox has seen; whoever waits for it sleeps on it.
  private let news = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)

  /// Starts a process that has opened nothing yet.
  ///
  /// - Parameter onEnd: Told on a thread of its own when the process has ended, unless `stop` was called.
  init(
    _ key: RunnerKey, _ options: ProcessOptions, _ limits: RunnerManifest.Limits,
    onEnd: @escaping @Sendable (RunnerEnd) -> Void
  ) throws(HostError) {
    self.key = key
    let runnerID = key.id
    self.options = options
    self.onEnd = onEnd
    spinNs = linux_cpu_count() > 1 ? UInt64(options.spinMicros) * 1000 : 0
    news.initialize(to: 0)
    arena = try SharedArena(byteCount: options.arenaBytes)
    state = Mutex(State(ring: SubmissionRing(arena.ring)))
    guard let (near, far) = ControlChannel.pair() else { throw Self.failure(runnerID) }
    channel = ControlChannel(near)
    defer { close(far) }
    var pipes: [CInt] = [-1, -1]
    guard linux_pipe(&pipes) else { throw Self.failure(runnerID) }
    output = pipes[0]
    defer { close(pipes[1]) }
    // Loops beyond those few leave their waiting to threads.
    var bells: [RunBell] = []
    while bells.count < min(LoopPlaces.end, Int(SHARED_BELLS)), let bell = RunBell(place: bells.count) {
      bells.append(bell)
    }
    self.bells = bells
    processID = Self.spawn(
      options.executable, key, output: pipes[1], control: far, memory: arena.descriptor, bells.map(\.descriptor))
    guard processID > 0 else {
      close(output)
      throw Self.failure(runnerID)
    }
    group = Self.group(processID, key, options, limits)
    for bell in bells { bell.process = self }
    guard watch() else {
      Glibc.kill(processID, SIGKILL)
      _ = linux_wait(processID)
      group?.remove()
      close(output)
      throw HostError(.overloaded, "can't start a thread for runner \(runnerID); raise the process limit")
    }
  }

  deinit { news.deallocate() }

  private static func failure(_ runnerID: String) -> HostError {
    HostError(.overloaded, "can't start a process for runner \(runnerID): \(String(cString: strerror(errno)))")
  }

  /// What a runner may know of the host's environment: how text and threads are set up, no secrets.
  private static let passedOn = ["LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "ASAN_OPTIONS"]

  private static func spawn(
    _ executable: String, _ key: RunnerKey, output: CInt, control: CInt, memory: CInt, _ bells: [CInt]
  ) -> Int32 {
    var environment = passedOn.compactMap { name in getenv(name).map { "\(name)=\(String(cString: $0))" } }
    // Swift's own crash handler would hold a crashed process up for 300 ms, and needs a process of its own.
    environment.append("SWIFT_BACKTRACE=enable=no")
    // Restartable sequences cost each switch to one of its threads half a microsecond, and nothing here uses them.
    // Few malloc arenas: of all but the first, malloc_trim after a model's unloading leaves what lies free at the end,
    // as much as half of what the model had. One for four cores costs TensorFlow, which allocates in its runs, 4 %.
    let arenas = max(1, linux_cpu_count() / 4)
    environment.append("GLIBC_TUNABLES=glibc.pthread.rseq=0:glibc.malloc.arena_max=\(arenas)")
    // ONNX Runtime otherwise tells its maker about this machine.
    environment.append("ORT_DISABLE_TELEMETRY=1")
    let command: [String] = ["stadion", "runner-process", key.id, key.tenantText]
    let words = command.map { strdup($0) } + [nil]
    let variables = environment.map { strdup($0) } + [nil]
    defer { for text in words + variables { free(text) } }
    return linux_spawn(
      executable, words, variables, output, control, memory, bells, CInt(bells.count), !key.sharesHostSession)
  }

  /// A group for the manifest's limits, with the process in it; nil without limits, and where it can't be had.
  private static func group(
    _ processID: Int32, _ key: RunnerKey, _ options: ProcessOptions, _ limits: RunnerManifest.Limits
  ) -> ControlGroup? {
    guard limits.memoryBytes != nil || limits.cpuPercent != nil, let host = options.controlGroup else { return nil }
    let wanted = ControlGroup.Limits(
      memoryBytes: limits.memoryBytes, cpus: limits.cpuPercent.map { Double($0) / 100 })
    do throws(HostError) {
      let group = try ControlGroup(named: "\(key.id)-\(processID)", in: host, wanted)
      do throws(HostError) {
        try group.add(processID)
      } catch {
        group.remove()
        throw error
      }
      return group
    } catch {
      Log.warning(
        "a runner has no group of its own", ("runner", key.id), ("tenant", key.tenantText),
        ("reason", error.description))
      return nil
    }
  }

  // MARK: Watching

  private func watch() -> Bool {
    let box = Unmanaged.passRetained(self)
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        linux_name_thread("runner-watch")
        Unmanaged<RunnerProcess>.fromOpaque(argument!).takeRetainedValue().listen()
        return nil
      }, box.toOpaque())
    guard code == 0 else {
      box.release()
      return false
    }
    pthread_detach(handle)
    return true
  }

  /// Takes messages and output until the process closes its end, as it does by ending.
  private func listen() {
    let lines = RunnerOutput(key)
    var polled = [
      pollfd(fd: channel.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: output, events: Int16(POLLIN), revents: 0),
    ]
    while true {
      if poll(&polled, 2, -1) < 0 { continue }
      if polled[1].revents != 0 && !lines.read(output) { polled[1].fd = -1 }
      guard polled[0].revents != 0 else { continue }
      guard let messages = channel.receive() else { break }
      for message in messages { take(message, lines) }
    }
    // It may have closed its end without ending; nobody can talk to it any more.
    if channel.isSpoiled { charge("it sent what is no message") }
    Glibc.kill(processID, SIGKILL)
    // Reaped only in `ended`: until then its number is nobody else's.
    linux_await_end(processID)
    let wasOutOfMemory = (group?.outOfMemoryKills ?? 0) > 0
    ended(wasOutOfMemory)
    group?.remove()
    // Whatever still holds the other end: what is there is read, nothing is waited for.
    linux_stop_blocking(output)
    if polled[1].fd >= 0 { while lines.read(output) {} }
    close(output)
  }

  private func take(_ message: JSONValue, _ lines: RunnerOutput) {
    if let line = message["log"]?.array, line.count == 2 {
      return lines.log(Log.Level(rawValue: line[0].int ?? 1) ?? .info, line[1].string ?? "")
    }
    mailbox.withLock { $0.answer = message }
    ringMailbox()
  }

  private func ringMailbox() {
    _ = shared_add(news, 1)
    shared_wake(news, CInt.max)
  }

  private func ended(_ wasOutOfMemory: Bool) {
    let (end, lost, isWanted) = state.withLock { state -> (RunnerEnd, [InFlight], Bool) in
      let end = RunnerEnd(
        status: linux_wait(processID), charge: state.charge, wasOutOfMemory: wasOutOfMemory,
        isOverdueRun: state.isOverdueRun)
      state.end = end
      // Under the lock: a run that is forgotten belongs to somebody else.
      for each in state.inFlight { shared_store(Self.word(each), UInt32(SHARED_RUN_DIED)) }
      defer { state.inFlight = [] }
      return (end, state.inFlight, state.isStopping)
    }
    arena.isOver.store(true, ordering: .relaxed)
    for each in lost { shared_wake(Self.word(each), 1) }
    for bell in bells { bell.end() }
    mailbox.withLock { $0.isClosed = true }
    ringMailbox()
    if isWanted { return }
    Log.warning(
      "a runner's process has ended", ("runner", runnerID), ("tenant", key.tenantText), ("reason", end.reason),
      ("runs_lost", String(lost.count)))
    onEnd(end)
  }

  private static func word(_ entry: InFlight) -> UnsafeMutablePointer<UInt32> {
    UnsafeMutableRawPointer(entry.run).assumingMemoryBound(to: UInt32.self)
  }

  /// How it ended; nil while it runs.
  var end: RunnerEnd? { state.withLock { $0.end } }

  /// The error of a request that it took with it.
  var failure: HostError {
    HostError(
      .runnerFailed, "runner \(runnerID): its process was \(end?.reason ?? "ended")", isProcessEnd: true)
  }

  // MARK: Control

  /// Never waits: this may be an event loop. Between two readings there is room for thousands of messages.
  private func tell(_ message: JSONValue) {
    if !channel.send(message, mayBlock: false) { charge("it doesn't read what it is asked") }
  }

  /// Asks and waits for the answer. [control]
  ///
  /// - Parameter timeoutMs: The process is ended when it takes longer.
  /// - Throws: What the answer says; `.runnerFailed` when there is none.
  func call(_ message: JSONValue, timeoutMs: Int, doing: String) throws(HostError) -> JSONValue {
    mailbox.withLock { $0.answer = nil }
    tell(message)
    let deadline = linux_now_ns() + UInt64(timeoutMs) * 1_000_000
    while true {
      let seen = shared_load(news)
      let (answer, isClosed) = mailbox.withLock { ($0.answer.take(), $0.isClosed) }
      if let answer {
        if let error = ControlMessages.error(answer) { throw error }
        return answer
      }
      if isClosed { throw failure }
      let now = linux_now_ns()
      if now < deadline {
        shared_wait(news, seen, deadline - now)
      } else {
        charge("it took longer than \(timeoutMs) ms to \(doing)")
        // Its end, which comes for certain, is waited for.
        shared_wait(news, seen, 100_000_000)
      }
    }
  }

  /// Ends the process for a reason that its requests and the log are told.
  func charge(_ reason: String, isOverdueRun: Bool = false) {
    state.withLock { state in
      guard state.end == nil, state.charge == nil else { return }
      state.charge = reason
      state.isOverdueRun = isOverdueRun
      // Under the lock that its end is noted under: its number isn't anybody else's yet.
      Glibc.kill(processID, SIGKILL)
    }
  }

  /// Blocks until it has ended, which the kernel may take its time for.
  func awaitEnd() {
    while true {
      let seen = shared_load(news)
      if mailbox.withLock({ $0.isClosed }) { return }
      shared_wait(news, seen, 100_000_000)
    }
  }

  /// Asks it to close its runner and end; ends it when it doesn't. Blocks up to two seconds. [control]
  func stop() {
    state.withLock { $0.isStopping = true }
    tell(["stop": true])
    let deadline = linux_now_ns() + 2_000_000_000
    while true {
      let seen = shared_load(news)
      if mailbox.withLock({ $0.isClosed }) { return }
      let now = linux_now_ns()
      if now >= deadline { return charge("it didn't stop within 2 s") }
      shared_wait(news, seen, deadline - now)
    }
  }

  // MARK: Runs

  /// Where `loop`, whose thread this is, waits for runs; nil if it can't.
  func bell(on loop: any TargetLoop) -> RunBell? {
    guard loop.isCurrent, loop.place < bells.count else { return nil }
    let bell = bells[loop.place]
    return bell.hang(on: loop) ? bell : nil
  }

  /// Announces a run that has been written down.
  ///
  /// - Throws: `.overloaded` after its end, and when it has as many runs as it can be told of.
  func submit(_ shared: SharedRun, ticket: UInt64, model: UInt32) throws(HostError) {
    let entry = InFlight(ticket: ticket, model: model, run: shared.run)
    let offset = shared.offset(of: shared.run)
    let refusal = state.withLock { state -> HostError? in
      if state.end != nil || state.charge != nil { return .processGone(runnerID) }
      guard state.inFlight.count < Int(SHARED_RING_ENTRIES) else {
        return HostError(.overloaded, "runner \(runnerID) has \(state.inFlight.count) runs; try again later")
      }
      state.inFlight.append(entry)
      state.ring.push(offset)
      return nil
    }
    if let refusal { throw refusal }
    SubmissionRing.wake(arena.ring)
  }

  /// The run is over; nothing of it will be written any more.
  func forget(ticket: UInt64) {
    let killID = state.withLock { state -> UInt64 in
      guard let index = state.inFlight.lastIndex(where: { $0.ticket == ticket }) else { return 0 }
      state.inFlight.swapAt(index, state.inFlight.count - 1)
      return state.inFlight.removeLast().killID
    }
    if killID != 0 { Deadlines.shared.remove(id: killID) }
  }

  /// Asks a run to end, and ends the process if it hasn't after a while.
  func cancel(ticket: UInt64) {
    let killID = Ticket.newID()
    let model = state.withLock { state -> UInt32? in
      guard let index = state.inFlight.firstIndex(where: { $0.ticket == ticket && $0.killID == 0 }) else { return nil }
      state.inFlight[index].killID = killID
      let found = state.inFlight[index]
      let word = UnsafeMutableRawPointer(found.run) + MemoryLayout<shared_run>.offset(of: \.cancel)!
      shared_store(word.assumingMemoryBound(to: UInt32.self), 1)
      return found.model
    }
    guard let model else { return }
    tell(["interrupt": [.integer(model), .integer(ticket)]])
    let limit = options.killAfterMs
    Deadlines.shared.add(id: killID, deadlineNs: linux_now_ns() + UInt64(limit) * 1_000_000) { [weak self] in
      guard let self, self.state.withLock({ $0.inFlight.contains { $0.ticket == ticket } }) else { return }
      self.charge("a run went on for \(limit) ms after it was cancelled", isOverdueRun: true)
    }
  }
}

extension HostError {
  /// The request has not reached the process, which is started again.
  static func processGone(_ runnerID: String) -> HostError {
    HostError(.overloaded, "runner \(runnerID): its process has ended and is being started again; try again later")
  }

  static let outOfMemory = HostError(.overloaded, "no memory for the request's tensors; try again later")
}
