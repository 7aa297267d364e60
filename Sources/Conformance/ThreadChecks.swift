import CLinux
import CStadionRunner
import Glibc
import Synchronization

/// Checks with several threads.
enum ThreadChecks {
  private static let second = UInt64(1_000_000_000)

  @Sendable static func cancel(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    let inputs = try RunChecks.workingInputs(model)
    if report.hasFindings { return }
    let began = linux_now_ns()
    guard let plain = ModelRun(model, inputs) else { return }
    report.doing("run without cancellation")
    _ = plain.perform()
    let usual = max(linux_now_ns() - began, 1000)
    judge(model, inputs, usual, "cancelled before it began") { ticket in ticket.cancel() }
    judge(model, inputs, usual, "whose deadline has passed", deadlineNs: began) { ticket in ticket.cancel() }
    let interrupt = model.library.table.pointee.extension?(STADION_EXT_INTERRUPT)?
      .assumingMemoryBound(to: stadion_ext_interrupt.self).pointee.interrupt
    let end = linux_now_ns() + 5 * second
    for _ in 0..<30 where linux_now_ns() < end && !report.hasFindings {
      let delay = UInt32.random(in: 0...UInt32(min(usual / 500, 20_000)))  // microseconds, up to twice the usual time
      judge(model, inputs, usual, "cancelled after \(delay) µs") { ticket in
        Threads.start {
          usleep(delay)
          ticket.cancel()
          interrupt?(model.pointer, ticket.id)
        }
      }
    }
    load(model)
    let lent = model.library.host.lentCount
    if lent > 0 { report.find(.bufferLost, "\(lent) buffers of host->allocate were kept when runs were cancelled") }
  }

  private static func judge(
    _ model: Model, _ inputs: Inputs, _ usual: UInt64, _ what: String, deadlineNs: UInt64 = 0,
    _ arrange: (KitTicket) -> Void
  ) {
    let report = model.report
    let ticket = KitTicket(deadlineNs: deadlineNs)
    guard let run = ModelRun(model, inputs, ticket: ticket) else { return }
    report.doing("run \(what)", hang: .cancelLate)
    let began = linux_now_ns()
    arrange(ticket)
    let code = run.perform()
    let took = linux_now_ns() - began
    if ![Code.ok, Code.cancelled, Code.deadlineExceeded].contains(code) {
      report.find(.cancelCode, "a run \(what) returned \(code): \(run.message)")
    }
    // A quarter of a second is far above any step; a run that is always that quick shows nothing.
    if model.flags & (1 << 2) != 0, took > second / 4, took > usual / 2 {
      report.find(
        .cancelLate, "a run \(what) took \(took / 1_000_000) ms, without cancellation \(usual / 1_000_000) ms")
    }
  }

  private static func load(_ model: Model) {
    let ticket = KitTicket()
    ticket.cancel()
    model.report.doing("load cancelled before it began", hang: .loadCancel)
    let loaded = model.library.load(model.runner, ticket: ticket)
    if let other = loaded.model { model.library.table.pointee.unload(other) }
    if ![Code.ok, Code.cancelled, Code.deadlineExceeded].contains(loaded.code) {
      model.report.find(.loadCancel, "it returned \(loaded.code): \(loaded.message)")
    }
  }

  @Sendable static func concurrent(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    let inputs = try RunChecks.workingInputs(model)
    let count = min(model.maxConcurrentRuns, 8)
    if report.hasFindings || count < 2 { return report.note("max_concurrent_runs is \(model.maxConcurrentRuns)") }
    var serial: [[ModelRun.Output]] = []
    for _ in 0..<2 {
      guard let run = ModelRun(model, inputs) else { return }
      _ = run.perform()
      serial.append(run.outputs.sorted { $0.name < $1.name })
    }
    // A model with random numbers differs from itself.
    let expected = serial[0] == serial[1] ? serial[0] : nil
    let left = Atomic<Int>(200)
    let done = Atomic<Int>(0)
    let end = linux_now_ns() + 10 * second
    report.doing("\(count) runs at once", crash: .concurrentFailed, hang: .concurrentFailed)
    Threads.run(count) { _ in
      while left.subtract(1, ordering: .relaxed).newValue >= 0, linux_now_ns() < end {
        guard let run = ModelRun(model, inputs) else { return }
        let code = run.perform()
        done.add(1, ordering: .relaxed)
        if code != Code.ok {
          report.find(.concurrentFailed, "with \(count) at once: code \(code): \(run.message)")
        } else if let expected, run.outputs.sorted(by: { $0.name < $1.name }) != expected {
          report.find(.concurrentResult, "with \(count) at once a run gave other outputs than alone")
        }
      }
    }
    let compared = expected == nil ? "not compared: two serial runs differ" : "compared with serial ones"
    report.note("\(done.load(ordering: .relaxed)) runs, \(count) at once, \(compared)")
  }

  @Sendable static func loadsDuringRuns(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    let inputs = try RunChecks.workingInputs(model)
    if report.hasFindings { return }
    let count = min(model.maxConcurrentRuns, 4)
    let isOver = Atomic(false)
    let done = Atomic(0)
    let end = linux_now_ns() + 5 * second
    report.doing("\(count) runs at once while another model comes and goes", crash: .concurrentLoads)
    let loads = Atomic(0)
    // Thread 0 is the host's control thread.
    Threads.run(count + 1) { index in
      guard index == 0 else {
        while !isOver.load(ordering: .acquiring) {
          guard let run = ModelRun(model, inputs) else { return }
          let code = run.perform()
          done.add(1, ordering: .relaxed)
          if code != Code.ok { report.find(.concurrentLoads, "a run returned \(code): \(run.message)") }
          run.end()
        }
        return
      }
      while loads.load(ordering: .relaxed) < 20 || done.load(ordering: .relaxed) < 20, linux_now_ns() < end {
        let loaded = model.library.load(model.runner)
        guard let other = loaded.model else {
          report.find(.concurrentLoads, "a load returned \(loaded.code): \(loaded.message)")
          break
        }
        model.library.table.pointee.unload(other)
        loads.add(1, ordering: .relaxed)
      }
      isOver.store(true, ordering: .releasing)
    }
    report.note("\(loads.load(ordering: .relaxed)) loads during \(done.load(ordering: .relaxed)) runs")
  }

  @Sendable static func loads(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let library = try Library(subject, report)
    nonisolated(unsafe) let runner = try library.runner()  // declared as safe for several threads
    guard let device = library.device(), device.pointee.flags & (1 << 3) != 0 else {
      return report.note("the device doesn't declare parallel loads")
    }
    let end = linux_now_ns() + 10 * second
    report.doing("4 threads that load and unload", crash: .parallelLoads, hang: .parallelLoads)
    Threads.run(4) { _ in
      for _ in 0..<10 where linux_now_ns() < end {
        let loaded = library.load(runner)
        guard let model = loaded.model else {
          return report.find(.parallelLoads, "code \(loaded.code): \(loaded.message)")
        }
        library.table.pointee.unload(model)
      }
    }
  }
}

/// Threads without Foundation.
enum Threads {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts `body` on a thread of its own. Nil when the system has none left.
  @discardableResult
  static func start(_ body: @escaping @Sendable () -> Void, isJoined: Bool = false) -> pthread_t? {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Body(body))
    let code = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, box.toOpaque())
    guard code == 0 else {
      box.release()
      return nil
    }
    if !isJoined { pthread_detach(thread) }
    return thread
  }

  /// Runs `body` on `count` threads at once and waits for all.
  static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (0..<count).compactMap { index in start({ body(index) }, isJoined: true) }
    for thread in threads { pthread_join(thread, nil) }
  }
}
