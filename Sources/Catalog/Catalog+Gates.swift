import Admission
import Benchmarking
package import Inference
import Routing
import StadionClient
import Store
import Wire

/// Gates of promotions: set per model, passed in processes that serve nobody.
extension Catalog {
  package func gates(of model: String, tenant: TenantID) async throws(HostError) -> Gates {
    try await database.read { (db) throws(HostError) in try db.gates(try db.modelID(model, tenant)) }
  }

  /// - Throws: `.forbidden` where the gates that stand are for a higher role to change.
  package func setGates(_ subject: Subject, _ gates: Gates) async throws(HostError) {
    let text = gates.json.text
    try await database.transaction { (db) throws(HostError) in
      let model = try db.modelID(subject.model, subject.tenant)
      try Self.checkMayChange(try db.gates(model), subject)
      try db.run("UPDATE models SET gates = ? WHERE id = ?", text, model, doing: "setting gates")
      try db.addHistory(subject.tenant, subject.model, Event("gates", by: subject.caller, note: text))
    }
  }

  /// Who can't pass gates can't take them away; nor can one alone where two are asked for, unless an admin.
  static func checkMayChange(_ gates: Gates, _ subject: Subject) throws(HostError) {
    let least = max(gates.approver ?? .infer, gates.approval == nil ? .infer : .admin)
    guard subject.role < least else { return }
    throw HostError(
      .forbidden,
      "the gates of model '\(subject.model)' are for the role \(least.rawValue) to change, the caller's is "
        + subject.role.rawValue)
  }

  /// What a version has passed; the promotion is for nothing if it isn't so any more when it is made.
  struct Passed: Sendable {
    let gates: Gates
    /// What stood in place then.
    let present: String?
    let stage: Stage
    /// What each gate has seen, for people; nil where there was nothing to pass.
    var seen: [String]?

    /// In the promotion's transaction.
    ///
    /// - Parameter present: What stands in place now.
    /// - Returns: For the history.
    func check(
      _ version: Connection.Version, _ subject: Subject, _ model: Int, _ present: String?, _ db: Connection
    ) throws(HostError) -> String? {
      let gates = try db.gates(model)
      let isMissing = seen == nil && gates.areAsked(by: stage)
      guard gates == self.gates, gates.parity == nil || present == self.present, !isMissing else {
        throw HostError(.conflict, "its gates, or what stands in its place, have changed meanwhile; promote it again")
      }
      guard let seen else { return nil }
      let approved = try Promotion(subject: subject, label: version.label, stage: stage, gates: gates, present: present)
        .approved(version, db)
      return "passed gates: \((seen + approved).joined(separator: ", "))"
    }
  }

  /// Has a version pass the gates of a stage.
  ///
  /// - Throws: `.conflict`, of the approver `.forbidden`, naming the gate in `details.gate`, with what was seen.
  func pass(_ subject: Subject, _ label: String, to stage: Stage) async throws(HostError) -> Passed {
    let promotion = try await database.read { (db) throws(HostError) in
      let model = try db.modelID(subject.model, subject.tenant)
      let version = try db.version(label, of: subject.model, model)
      try Self.checkLive(version, subject)
      let promotion = Promotion(
        subject: subject, label: label, stage: stage, gates: try db.gates(model),
        present: stage.isPlace ? try db.version(at: stage, model)?.label : nil)
      // Nobody's model is run for a promotion that needs somebody first; the transaction decides.
      if promotion.isGated { _ = try promotion.approved(version, db) }
      return promotion
    }
    var passed = Passed(gates: promotion.gates, present: promotion.present, stage: stage)
    guard promotion.isGated else { return passed }
    // Making inputs and comparing outputs takes a while, for which no event loop is held.
    let seen = await withTaskExecutorPreference(gateThreads) { () async -> Result<[String], HostError> in
      do throws(HostError) { return .success(try await self.pass(promotion)) } catch { return .failure(error) }
    }
    passed.seen = try seen.get()
    return passed
  }

  private struct Promotion: Sendable {
    let subject: Subject
    let label: String
    let stage: Stage
    let gates: Gates
    let present: String?

    var isGated: Bool { gates.areAsked(by: stage) && present != label }

    /// - Returns: Who has approved it, for people.
    func approved(_ version: Connection.Version, _ db: Connection) throws(HostError) -> [String] {
      guard let least = gates.approval else { return [] }
      let (approval, reason) = try db.approval(of: version.id, for: stage, least: least, beside: subject.caller.name)
      guard let approval else { throw refusal("approval", reason) }
      return ["approved by \(approval.caller) (\(approval.role.rawValue))"]
    }

    func refusal(_ gate: String, _ seen: String, code: HostError.Code = .conflict) -> HostError {
      HostError(
        code,
        "version \(label) of model '\(subject.model)' isn't promoted to \(stage.rawValue), gate \(gate): \(seen)",
        details: ["gate": .string(gate)])
    }
  }

  /// - Returns: What each gate has seen, for people.
  private func pass(_ promotion: Promotion) async throws(HostError) -> [String] {
    let gates = promotion.gates
    var seen: [String] = []
    if let least = gates.approver {
      let role = promotion.subject.role
      guard role >= least else {
        throw promotion.refusal(
          "approver", "it takes the role \(least.rawValue), the caller's is \(role.rawValue)", code: .forbidden)
      }
      seen.append("by \(role.rawValue)")
    }
    let compared = gates.parity == nil ? nil : promotion.present
    guard gates.warmUp != nil || compared != nil else { return seen }
    let outputs = try await withTrial(promotion.label, promotion) { (trial) throws(HostError) in
      if let warmUp = gates.warmUp { try await Self.warmUp(trial, warmUp, promotion) }
      guard let parity = gates.parity, compared != nil else { return [[DenseTensor]]() }
      return try await Self.answers(of: trial, promotion.label, parity, promotion)
    }
    if let warmUp = gates.warmUp { seen.append("\(warmUp.runs) runs answered") }
    if let parity = gates.parity, let compared {
      // After the other trial: two that wait for each other's place would wait for ever.
      let reference = try await withTrial(compared, promotion) { (trial) throws(HostError) in
        try await Self.answers(of: trial, compared, parity, promotion)
      }
      seen.append(try Self.compare(outputs, with: reference, of: compared, parity, promotion))
    }
    return seen
  }

  private func withTrial<Value: Sendable>(
    _ label: String, _ promotion: Promotion, _ body: (Trial) async throws(HostError) -> Value
  ) async throws(HostError) -> Value {
    let subject = promotion.subject
    let (settings, files) = try await database.read { (db) throws(HostError) in
      try ServingPlan.files(label, of: subject.model, tenant: subject.tenant, db)
    }
    let candidate = try await folder.candidate(subject.model, settings: settings, files)
    do throws(HostError) {
      let trial: Trial
      do throws(HostError) {
        trial = try await router.tryOut(subject.model, of: subject.tenant, in: candidate)
      } catch {
        guard error.code != .overloaded else { throw error }
        throw promotion.refusal("load", "version \(label) isn't loaded: \(error)")
      }
      do throws(HostError) {
        let value = try await body(trial)
        await trial.end()
        await folder.removeCandidate(candidate)
        return value
      } catch {
        await trial.end()
        throw error
      }
    } catch {
      await folder.removeCandidate(candidate)
      throw error
    }
  }

  // MARK: Each gate

  private static func warmUp(_ trial: Trial, _ gate: Gates.WarmUp, _ promotion: Promotion) async throws(HostError) {
    for run in 0..<gate.runs {
      do throws(HostError) {
        _ = try await trial.answer(seed: UInt64(run), shapes: promotion.gates.shapes, timeoutMs: gate.timeoutMs)
      } catch {
        throw promotion.refusal("warmUp", "run \(run + 1) of \(gate.runs) failed: \(error)")
      }
    }
  }

  private static let parityTimeoutMs = 600_000
  /// Outputs of one version that are kept until they are compared.
  private static let parityBytes = 256 << 20

  /// The outputs for every set of inputs.
  private static func answers(
    of trial: Trial, _ label: String, _ gate: Gates.Parity, _ promotion: Promotion
  ) async throws(HostError) -> [[DenseTensor]] {
    var answers: [[DenseTensor]] = []
    var left = parityBytes
    for number in 0..<gate.inputs {
      do throws(HostError) {
        let seed = UInt64(gate.seed) &+ UInt64(number)
        let answer = try await trial.answer(
          seed: seed, shapes: promotion.gates.shapes, timeoutMs: parityTimeoutMs, outputByteLimit: left)
        left -= answer.reduce(0) { $0 + $1.bytes.count }
        answers.append(answer)
      } catch {
        throw promotion.refusal(
          "parity", "version \(label) gives no answer to set \(number + 1) of \(gate.inputs): \(error)")
      }
    }
    return answers
  }

  /// - Returns: How far apart they are, for people.
  private static func compare(
    _ answers: [[DenseTensor]], with reference: [[DenseTensor]], of compared: String, _ gate: Gates.Parity,
    _ promotion: Promotion
  ) throws(HostError) -> String {
    var worst = 0.0
    for (number, (new, old)) in zip(answers, reference).enumerated() {
      for result in Parity.compare(new, with: old, tolerance: gate.tolerance) {
        guard result.passes else {
          let seen =
            result.problem.map { "output '\(result.name)' \($0), compared with" }
            ?? "\(result.beyond) of \(result.elementCount) elements of output '\(result.name)' are up to "
            + "\(Benchmarking.Format.number(result.maxAbsolute)) away from"
          throw promotion.refusal(
            "parity",
            "\(seen) version \(compared); allowed are \(gate.absolute) + \(gate.relative) of its value (inputs of seed "
              + "\(UInt64(gate.seed) &+ UInt64(number)))")
        }
        worst = max(worst, result.maxAbsolute)
      }
    }
    return "\(answers.count) answers within \(Benchmarking.Format.number(worst)) of those of \(compared)"
  }
}

extension Connection {
  func gates(_ model: Int) throws(HostError) -> Gates {
    let text = try first("SELECT gates FROM models WHERE id = ?", model) {
      (row) throws(HostError) -> String in try row.value(0)
    }
    guard let json = try? JSONValue(parsing: text ?? "{}") else {
      throw HostError(.storageCorrupt, "the gates of a model can't be read; set them anew")
    }
    return try Gates(json)
  }
}
