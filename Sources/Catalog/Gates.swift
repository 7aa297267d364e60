package import Admission
import Benchmarking
package import Inference
package import Wire

/// What a version must pass before it is promoted: of each model what its people have set; nothing unless they have.
package struct Gates: Sendable, Equatable {
  /// Runs that must be answered.
  package struct WarmUp: Sendable, Equatable {
    package var runs = 3
    /// Of each run.
    package var timeoutMs = 60_000
  }

  /// Outputs that must agree with those of the version in place, for the same inputs.
  package struct Parity: Sendable, Equatable {
    /// Sets of inputs, each made from the seed and its number.
    package var inputs = 4
    package var seed = 1
    /// |difference| <= absolute + relative * |output of the version in place|.
    package var relative = 1e-3
    package var absolute = 1e-4

    var tolerance: Tolerance { Tolerance(relative: relative, absolute: absolute) }
  }

  /// Promotions to these ask for them.
  package var stages: [Stage] = [.production]
  package var warmUp: WarmUp?
  package var parity: Parity?
  /// The least role of who promotes.
  package var approver: Role?
  /// The least role of somebody else who has approved the version.
  package var approval: Role?
  /// Of inputs whose sizes are free; a free size is 1 without.
  package var shapes: [String: [Int64]] = [:]

  package init() {}

  func areAsked(by stage: Stage) -> Bool { !isEmpty && stages.contains(stage) }

  var isEmpty: Bool { warmUp == nil && parity == nil && approver == nil && approval == nil }
}

// MARK: JSON

extension Gates {
  /// - Throws: `.invalidRequest` naming the key.
  package init(_ json: JSONValue) throws(HostError) {
    for member in try Self.members(json, "gates") {
      switch member.key {
      case "stages": stages = try Self.stages(member.value)
      case "warmUp" where member.value != .null:
        var wanted = WarmUp()
        for each in try Self.members(member.value, "warmUp") {
          switch each.key {
          case "runs": wanted.runs = try Self.integer(each, "warmUp", 1...1000)
          case "timeoutMs": wanted.timeoutMs = try Self.integer(each, "warmUp", 1...3_600_000)
          default: throw Self.unknown("warmUp.\(each.key)")
          }
        }
        warmUp = wanted
      case "parity" where member.value != .null:
        var wanted = Parity()
        for each in try Self.members(member.value, "parity") {
          switch each.key {
          case "inputs": wanted.inputs = try Self.integer(each, "parity", 1...100)
          case "seed": wanted.seed = try Self.integer(each, "parity", 0...Int.max)
          case "relative": wanted.relative = try Self.tolerance(each)
          case "absolute": wanted.absolute = try Self.tolerance(each)
          default: throw Self.unknown("parity.\(each.key)")
          }
        }
        parity = wanted
      case "approver" where member.value != .null:
        approver = try Self.role(member, of: Role.allCases)
      case "approval" where member.value != .null: approval = try Self.role(member, of: [.publish, .admin])
      case "shapes": shapes = try Self.shapes(member.value)
      case "warmUp", "parity", "approver", "approval": continue
      default: throw Self.unknown(member.key)
      }
    }
  }

  package var json: JSONValue {
    var members: [JSONValue.Member] = []
    if let warmUp {
      members.append(
        .init("warmUp", ["runs": .integer(warmUp.runs), "timeoutMs": .integer(warmUp.timeoutMs)]))
    }
    if let parity {
      members.append(
        .init(
          "parity",
          [
            "inputs": .integer(parity.inputs), "seed": .integer(parity.seed),
            "relative": .number("\(parity.relative)"), "absolute": .number("\(parity.absolute)"),
          ]))
    }
    if let approver { members.append(.init("approver", .string(approver.rawValue))) }
    if let approval { members.append(.init("approval", .string(approval.rawValue))) }
    if !members.isEmpty {
      members.insert(.init("stages", .array(stages.map { .string($0.rawValue) })), at: 0)
      let list = shapes.sorted { $0.key < $1.key }.map { name, shape in
        JSONValue.Member(name, .array(shape.map { .integer($0) }))
      }
      if !list.isEmpty { members.append(.init("shapes", .object(list))) }
    }
    return .object(members)
  }

  private static func members(_ value: JSONValue, _ key: String) throws(HostError) -> [JSONValue.Member] {
    guard let members = value.members else {
      throw HostError(.invalidRequest, "'\(key)' must be an object, not \(value.kindName)")
    }
    return members
  }

  private static func unknown(_ key: String) -> HostError {
    HostError(
      .invalidRequest,
      "'\(key.excerpt)' is no gate; there are stages, warmUp, parity, approver, approval and shapes")
  }

  private static func role(_ member: JSONValue.Member, of roles: [Role]) throws(HostError) -> Role {
    if let role = member.value.string.flatMap({ Role(rawValue: $0) }), roles.contains(role) { return role }
    let known = roles.map(\.rawValue).joined(separator: ", ")
    throw HostError(.invalidRequest, "'\(member.key)' must be one of \(known), not \(member.value.text.excerpt)")
  }

  private static func integer(
    _ member: JSONValue.Member, _ gate: String, _ range: ClosedRange<Int>
  ) throws(HostError) -> Int {
    guard let value = member.value.int, range.contains(value) else {
      throw HostError(
        .invalidRequest,
        "'\(gate).\(member.key)' must be an integer from \(range.lowerBound) to \(range.upperBound), not "
          + member.value.text.excerpt)
    }
    return value
  }

  private static func tolerance(_ member: JSONValue.Member) throws(HostError) -> Double {
    guard let value = member.value.double, value >= 0, value.isFinite else {
      throw HostError(
        .invalidRequest, "'parity.\(member.key)' must be a number from 0 on, not \(member.value.text.excerpt)")
    }
    return value
  }

  private static func stages(_ value: JSONValue) throws(HostError) -> [Stage] {
    let stages = (value.array ?? []).compactMap { $0.string.flatMap { Stage(rawValue: $0) } }.filter(\.isPlace)
    guard !stages.isEmpty, stages.count == value.array?.count, Set(stages).count == stages.count else {
      throw HostError(
        .invalidRequest, "'stages' must be a list of staging, production or both, not \(value.text.excerpt)")
    }
    return stages
  }

  private static func shapes(_ value: JSONValue) throws(HostError) -> [String: [Int64]] {
    var shapes: [String: [Int64]] = [:]
    for member in try members(value, "shapes") {
      let sizes = (member.value.array ?? []).compactMap(\.int).filter { $0 >= 0 }
      guard let all = member.value.array, sizes.count == all.count else {
        throw HostError(
          .invalidRequest,
          "'shapes.\(member.key.excerpt)' must be a list of sizes, not \(member.value.text.excerpt)")
      }
      shapes[member.key] = sizes.map { Int64($0) }
    }
    return shapes
  }
}
