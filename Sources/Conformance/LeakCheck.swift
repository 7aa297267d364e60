import CLinux
import CStadionRunner
import Glibc

/// Loads, runs and unloads again and again, and measures what stays.
enum LeakCheck {
  static let usualLoads = 1000
  private static let usualSeconds = 20  // what a heavy engine may take for them

  /// How long the loads may take: a second for each that was asked for.
  static func seconds(_ subject: Subject) -> Int { max(usualSeconds, subject.loads ?? 0) }

  @Sendable static func run(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let library = try Library(subject, report)
    let runner = try library.runner()
    let first = try Model(library, runner: runner)
    let inputs = try RunChecks.workingInputs(first)
    first.unload()
    if report.hasFindings { return }
    library.host.unmapReleased()
    let end = linux_now_ns() + UInt64(seconds(subject)) * 1_000_000_000
    func cycles(_ count: Int) throws(Report.Stop) -> Int {
      for done in 0..<count {
        if done > 0, linux_now_ns() > end { return done }
        let model = try Model(library, runner: runner)
        guard let run = ModelRun(model, inputs) else { return done }
        _ = run.perform()
        model.unload()
        run.end()
      }
      return count
    }
    let wanted = subject.loads ?? usualLoads
    let (count, growth) = try report.repeating("load, run and unload, up to \(wanted) times") {
      () throws(Report.Stop) in
      _ = try cycles(min(50, wanted))  // an engine's pools fill
      linux_trim_memory()
      let before = linux_resident_bytes()
      let count = try cycles(wanted)
      linux_trim_memory()
      return (count, Int(linux_resident_bytes()) - Int(before))
    }
    guard count > 0 else { return report.note("no memory for one load") }
    let seen = text(growth, count, wanted: wanted, seconds: seconds(subject))
    report.note(seen)
    // Pools and fragments of an engine come and go by some hundred KB; a leaked model is more.
    if growth > 4 << 20, growth / count > 2048 { report.find(.leak, seen) }
  }

  /// What was measured, and what bound it.
  static func text(_ growth: Int, _ count: Int, wanted: Int, seconds: Int) -> String {
    let bound = count < wanted ? ", as many as \(seconds) s allow (--loads gives more)" : ""
    return "resident memory grew by \(growth / count) bytes per load, over \(count) loads of \(wanted)\(bound)"
  }
}
