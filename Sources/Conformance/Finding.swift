package import Wire

/// One thing about a runner that differs from the contract.
package struct Finding: Sendable, Equatable {
  package enum Severity: String, Sendable { case error, warning }

  /// `EMIT-BYTES`: stays the same from release to release, for people who search for it.
  package let id: String
  package let severity: Severity
  /// Section of stadion_runner.h.
  package let section: String
  /// What the contract says.
  package let contract: String
  package let seen: String
  package let mend: String

  package init(_ rule: Rule, seen: String) {
    id = rule.id
    severity = rule.severity
    section = rule.section
    contract = rule.contract
    mend = rule.mend
    self.seen = seen
  }

  package var json: JSONValue {
    .object([
      .init("id", .string(id)), .init("severity", .string(severity.rawValue)), .init("section", .string(section)),
      .init("contract", .string(contract)), .init("seen", .string(seen)), .init("mend", .string(mend)),
    ])
  }

  package var text: String {
    """
    \(severity.rawValue) \(id)
      contract: \(contract) (stadion_runner.h, section \(section))
      seen:     \(seen)
      mend:     \(mend)
    """
  }
}
