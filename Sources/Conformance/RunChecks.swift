import CLinux
import CStadionRunner
import Glibc

/// Checks of one run at a time.
enum RunChecks {
  /// The first inputs that the model answers.
  ///
  /// - Throws: `Stop` when there are none; only `run` reports that.
  static func workingInputs(_ model: Model) throws(Report.Stop) -> Inputs {
    var reason = "its inputs are too large to be made"
    for recipe in Inputs.Recipe.all {
      guard let inputs = Inputs(model, recipe), let run = ModelRun(model, inputs) else { continue }
      model.report.doing("run with \(recipe.text)")
      let code = run.perform()
      if code == Code.ok || model.report.hasFindings { return inputs }
      reason = "with \(recipe.text): code \(code): \(run.message)"
    }
    throw model.report.stop(.runFailed, reason)
  }

  @Sendable static func run(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    var answered = 0
    var reason = "its inputs are too large to be made"
    for recipe in Inputs.Recipe.all {
      guard let inputs = Inputs(model, recipe), let run = ModelRun(model, inputs) else { continue }
      report.doing("run with \(recipe.text)")
      let code = run.perform()
      if code == Code.ok { answered += 1 } else { reason = "with \(recipe.text): code \(code): \(run.message)" }
    }
    report.note("\(answered) of \(Inputs.Recipe.all.count) kinds of inputs were answered")
    if answered == 0, !report.hasFindings { throw report.stop(.runFailed, reason) }
    let lent = model.library.host.lentCount
    if lent > 0 { report.find(.bufferLost, "\(lent) buffers of host->allocate were neither emitted nor given back") }
    model.unload()
  }

  @Sendable static func wanted(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    let inputs = try workingInputs(model)
    for index in 0..<UInt32(min(model.outputs.count, 16)) {
      report.doing("run that wants output \(index) alone")
      guard let run = ModelRun(model, inputs, wanted: [index]) else { return }
      let code = run.perform()
      if code != Code.ok, !report.hasFindings {
        report.find(.runFailed, "wanting output \(index) alone: code \(code): \(run.message)")
      }
    }
  }

  @Sendable static func overread(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    for recipe in Inputs.Recipe.all {
      guard let inputs = Inputs(model, recipe), let run = ModelRun(model, inputs) else { continue }
      report.doing("run with \(recipe.text), each input before a guard page")
      _ = run.perform()
    }
  }

  @Sendable static func readOnly(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    let inputs = try workingInputs(model)
    guard let run = ModelRun(model, inputs) else { return }
    report.doing("run with inputs in read-only pages")
    run.forbidWriting()
    _ = run.perform()
  }

  @Sendable static func poison(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let model = try Model(Library(subject, report))
    let inputs = try workingInputs(model)
    for _ in 0..<5 {
      guard let run = ModelRun(model, inputs) else { return }
      report.doing("run after the memory of the run before was taken away")
      _ = run.perform()
      run.poison()
    }
    // Threads of the runner get a moment to touch what they kept.
    usleep(50_000)
    report.doing("unload after the memory of all runs was taken away")
    model.library.table.pointee.unload(model.pointer)
  }
}
