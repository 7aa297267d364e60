/// One check; it runs in a process of its own.
struct Check: Sendable {
  let name: String
  /// What it checks, for people.
  let title: String
  /// Whether it loads the subject's model.
  var needsModel = false
  private var seconds = 10
  let run: @Sendable (Subject, Report) throws(Report.Stop) -> Void

  /// What it may take; many loads take longer.
  func limitSeconds(_ subject: Subject) -> Int {
    name == "leaks" ? max(seconds, 2 * LeakCheck.seconds(subject)) : seconds
  }

  /// In order: a check that stops what follows comes first.
  static let all = [
    Check(name: "exports", title: "exported symbols, thread-local storage", run: LibraryChecks.exports),
    Check(name: "entry", title: "the entry is pure", run: LibraryChecks.entry),
    Check(name: "table", title: "table of functions", run: LibraryChecks.table),
    Check(name: "devices", title: "devices", run: LibraryChecks.devices),
    Check(name: "life", title: "create and destroy, twice", run: LifeChecks.life),
    Check(name: "options", title: "odd options", run: LifeChecks.oddOptions),
    Check(name: "files", title: "missing, empty and garbage files", run: LifeChecks.badFiles),
    Check(name: "model", title: "load, signature, unload, twice", needsModel: true, run: LifeChecks.model),
    Check(name: "run", title: "runs and their outputs", needsModel: true, run: RunChecks.run),
    Check(name: "wanted", title: "wanted outputs", needsModel: true, run: RunChecks.wanted),
    Check(name: "overread", title: "inputs end at a guard page", needsModel: true, run: RunChecks.overread),
    Check(name: "read-only", title: "inputs are read-only", needsModel: true, run: RunChecks.readOnly),
    Check(name: "poison", title: "nothing is kept after a run", needsModel: true, run: RunChecks.poison),
    Check(name: "buffers", title: "buffers of the runner's own", needsModel: true, run: BufferChecks.owned),
    Check(name: "allocation", title: "the host has no memory", needsModel: true, run: BufferChecks.allocation),
    Check(
      name: "cancel", title: "cancelled before and during a run", needsModel: true, seconds: 30,
      run: ThreadChecks.cancel),
    Check(
      name: "concurrent", title: "runs at once", needsModel: true, seconds: 30, run: ThreadChecks.concurrent),
    Check(
      name: "loads-and-runs", title: "loads while runs go on", needsModel: true, seconds: 30,
      run: ThreadChecks.loadsDuringRuns),
    Check(name: "loads", title: "loads at once", needsModel: true, seconds: 30, run: ThreadChecks.loads),
    Check(
      name: "leaks", title: "loads and runs, again and again", needsModel: true, seconds: 60, run: LeakCheck.run),
  ]

  /// Runs the named check in this process and reports to `descriptor`.
  ///
  /// - Returns: False when there is no such check.
  static func run(_ name: String, _ subject: Subject, descriptor: Int32) -> Bool {
    guard let check = all.first(where: { $0.name == name }) else { return false }
    let report = Report(descriptor: descriptor)
    WatchedMemory.start(descriptor)
    do { try check.run(subject, report) } catch {}
    report.done()
    return true
  }
}
