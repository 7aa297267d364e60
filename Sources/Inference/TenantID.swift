/// The name of those whose models, keys and counts belong together.
package struct TenantID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let text: String

  /// Who is served where nothing else is said; always there.
  package static let standard = TenantID(known: "default")

  private init(known text: String) { self.text = text }

  /// - Parameter text: 1 to 63 of a-z, 0-9 and '-', the first no '-': it names a folder. Else nil.
  package init?(_ text: String) {
    let areFine = text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
    guard areFine, (1...63).contains(text.utf8.count), !text.hasPrefix("-") else { return nil }
    self.text = text
  }

  package var description: String { text }

  package static func < (a: TenantID, b: TenantID) -> Bool { a.text < b.text }
}
