/// Where a version stands in its life.
package enum Stage: String, Sendable, CaseIterable {
  case development, staging, production, archived

  /// One version of a model at a time stands here, and requests may name it by this word.
  package var isPlace: Bool { self == .staging || self == .production }
}

/// Words that clients write instead of a version.
package enum VersionWords {
  package static let latest = "latest"
  /// None of these can be a label or an alias.
  static let reserved: Set<String> = Set(Stage.allCases.map(\.rawValue)).union([latest])
  /// Numbers of labels that are none start here.
  static let firstOther = 900_000_000_000_000_000

  /// 1 to 128 of A-Z, a-z, 0-9, '.', '_', '+' and '-', the first a letter or digit.
  static func isWord(_ word: String) -> Bool {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
    guard let first = word.utf8.first, isAlphanumeric(first), word.utf8.count <= 128 else { return false }
    return word.utf8.allSatisfy { isAlphanumeric($0) || ".+_-".utf8.contains($0) }
  }
}
