/// A model's name and, where one is meant, its version.
package struct ModelID: Hashable, Sendable, CustomStringConvertible {
  package let name: String
  package let version: String?

  package init(name: String, version: String? = nil) {
    self.name = name
    self.version = version
  }

  /// `name` or `name:version`, as the command line writes it.
  package init(_ text: String) {
    guard let colon = text.lastIndex(of: ":") else {
      self.init(name: text)
      return
    }
    self.init(name: String(text[..<colon]), version: String(text[text.index(after: colon)...]))
  }

  package var description: String { version.map { "\(name):\($0)" } ?? name }
}
