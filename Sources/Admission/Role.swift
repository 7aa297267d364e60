/// What a caller may do; each role may do what those before it may, too.
package enum Role: String, Sendable, CaseIterable, Comparable {
  /// See the tenant's models and run them.
  case infer
  /// Change which models there are.
  case publish
  /// Change who may call; in the default tenant also what concerns the whole host.
  case admin

  private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

  package static func < (a: Role, b: Role) -> Bool { a.rank < b.rank }
}
