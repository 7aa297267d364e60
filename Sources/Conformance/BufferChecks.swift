import CStadionRunner
import Glibc

/// Checks of the memory that outputs travel in.
enum BufferChecks {
  /// Buffers of the runner's own are the host's from emit until it releases them, whenever and wherever that is.
  @Sendable static func owned(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    let inputs = try RunChecks.workingInputs(model)
    if report.hasFindings { return }
    var runs: [ModelRun] = []
    for round in 1...4 {
      guard let run = ModelRun(model, inputs) else { return }
      report.doing("run \(round) while buffers of those before aren't released")
      _ = run.perform(.whenTold)
      runs.append(run)
    }
    report.doing("release of emitted buffers on another thread")
    nonisolated(unsafe) let ended = runs  // by one thread that is waited for
    Threads.run(1) { _ in for run in ended { run.releaseHeld() } }
    for _ in 0..<4 {
      guard let run = ModelRun(model, inputs) else { return }
      report.doing("run whose buffers are released while emit is on the stack")
      _ = run.perform(.duringEmit)
      runs.append(run)
    }
    report.note("\(runs.reduce(0) { $0 + $1.ownBufferCount }) were emitted")
  }

  @Sendable static func allocation(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    let inputs = try RunChecks.workingInputs(model)
    let host = model.library.host
    let usual = host.askedCount
    if report.hasFindings { return }
    // Each allocation of a run fails once, as far as they are few, and the first of them three times.
    for allowed in [0, 0, 0] + Array(1..<max(min(usual, 16), 2)) {
      guard let run = ModelRun(model, inputs) else { return }
      host.allowAllocations(allowed)
      let place = allowed == 0 ? "" : " after \(allowed) times"
      report.doing("run while host->allocate returns NULL\(place)", crash: .allocationCode)
      let code = run.perform()
      if code != Code.ok, code != Code.resourceExhausted {
        report.find(.allocationCode, "run returned \(code)\(place): \(run.message)")
      }
      let lent = host.lentCount
      if lent > 0 { report.find(.bufferLost, "\(lent) buffers were kept when host->allocate returned NULL\(place)") }
    }
    report.note("a run asks host->allocate \(usual) times")
    host.allowAllocations(nil)
    guard let run = ModelRun(model, inputs) else { return }
    report.doing("run after host->allocate works again")
    let code = run.perform()
    if code != Code.ok { report.find(.allocationCode, "a run after memory was there again returned \(code)") }
  }
}
