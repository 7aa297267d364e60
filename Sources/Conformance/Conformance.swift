package import Wire

/// The conformance kit: all checks of one subject, each in a process of its own.
package struct Conformance {
  /// Each rule at most once.
  package private(set) var findings: [Finding] = []
  /// What each check said: `name: note`.
  package private(set) var checks: [(name: String, title: String, result: String)] = []
  private let subject: Subject

  /// The names of all checks, in their order.
  package static var names: [String] { Check.all.map(\.name) }

  /// Runs the checks. Blocks for seconds up to minutes.
  ///
  /// - Parameters:
  ///   - only: Names of checks; empty is all.
  ///   - progress: Called before each check with its title.
  package init(_ subject: Subject, only: [String], progress: (String) -> Void) {
    self.subject = subject
    var abandoned: String?
    for check in Check.all where only.isEmpty || only.contains(check.name) {
      if check.needsModel, !subject.hasModel {
        checks.append((check.name, check.title, "skipped: give --model FILE or --option KEY=VALUE"))
        continue
      }
      if let abandoned {
        checks.append((check.name, check.title, "skipped: \(abandoned)"))
        continue
      }
      progress(check.title)
      let outcome = CheckProcess.run(check, subject)
      let new = outcome.findings.filter { finding in !findings.contains { $0.id == finding.id } }
      findings += new
      let result = outcome.findings.isEmpty ? "ok" : outcome.findings.map(\.id).joined(separator: ", ")
      checks.append((check.name, check.title, ([result] + outcome.notes).joined(separator: "; ")))
      // What can't be opened, loaded or run, and what hangs, would only say the same again and again.
      if let last = outcome.findings.first(where: { Self.ending.contains($0.id) }) { abandoned = "after \(last.id)" }
      if outcome.hung { abandoned = "a check before had no end" }
    }
  }

  private static let ending = Set(
    [
      Rule.libraryOpen, .librarySymbols, .libraryTLS, .entryMissing, .entryNull, .tableSize, .tableABI, .tableFunction,
      .probeZero, .openFailed, .deviceNone, .createFailed, .loadFailed, .runFailed,
    ].map(\.id))

  package var json: JSONValue {
    .object([
      .init("library", .string(subject.path)), .init("findings", .array(findings.map(\.json))),
      .init(
        "checks",
        .array(
          checks.map {
            .object([
              .init("name", .string($0.name)), .init("title", .string($0.title)), .init("result", .string($0.result)),
            ])
          })),
    ])
  }

  /// Runs one check in this process: what a check's process does.
  ///
  /// - Returns: False when there is no such check.
  package static func runCheck(_ name: String, _ subject: Subject) -> Bool {
    Check.run(name, subject, descriptor: CheckProcess.descriptor)
  }
}
