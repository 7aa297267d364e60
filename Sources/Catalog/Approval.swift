import Admission
import Inference
import Store
import Wire

/// That somebody has looked at a version and lets it go to a stage.
struct Approval: Sendable {
  let stage: Stage
  /// As the audit names them.
  let caller: String
  /// What they were then.
  let role: Role
  let timeMs: Int
  let note: String?

  init(_ row: Row) throws(HostError) {
    stage = Stage(rawValue: try row.value(0, as: String.self)) ?? .archived
    caller = try row.value(1)
    role = Role(rawValue: try row.value(2, as: String.self)) ?? .infer
    timeMs = try row.value(3)
    note = try row.value(4)
  }

  var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("stage", .string(stage.rawValue)), .init("caller", .string(caller)), .init("role", .string(role.rawValue)),
      .init("timeMs", .integer(timeMs)),
    ]
    if let note { members.append(.init("note", .string(note))) }
    return .object(members)
  }
}

extension Connection {
  /// Of a version, the first first.
  func approvals(of version: Int) throws(HostError) -> [Approval] {
    try all(
      "SELECT stage, caller, role, timeMs, note FROM approvals WHERE version = ? ORDER BY timeMs, stage, caller",
      version
    ) { (row) throws(HostError) in try Approval(row) }
  }

  /// The approval of somebody else than `asker`, with a role at least.
  ///
  /// - Returns: Why there is none, for people, where there is none.
  func approval(
    of version: Int, for stage: Stage, least: Role, beside asker: String
  ) throws(HostError) -> (Approval?, refusal: String) {
    var others: [String] = []
    for approval in try approvals(of: version) where approval.stage == stage {
      let reason =
        approval.role < least
        ? "with the role \(approval.role.rawValue)" : try reasonNotOther(approval.caller, than: asker)
      guard let reason else { return (approval, "") }
      others.append("\(approval.caller) (\(reason))")
    }
    let seen =
      others.isEmpty ? "nobody has" : "only \(others.joined(separator: ", ")) \(others.count == 1 ? "has" : "have")"
    return (nil, "it takes the approval of somebody else with the role \(least.rawValue), \(seen) approved it")
  }
}
