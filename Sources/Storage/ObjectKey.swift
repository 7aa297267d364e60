package import Inference

/// The name of an object: components of 1...255 bytes of UTF-8, joined by `/`, 1024 bytes at most.
///
/// The narrowest of the four back ends' rules, so that a key is good in each and means one file in a folder.
package struct ObjectKey: Sendable, Hashable, CustomStringConvertible {
  package let text: String
  package var description: String { text }

  package init(_ text: String) throws(HostError) {
    if let problem = Self.problem(with: text) {
      throw HostError(.invalidRequest, "\"\(text.prefix(100))\" can't be an object's key: \(problem)")
    }
    self.text = text
  }

  /// For names that others chose.
  init?(ifValid text: String) {
    guard Self.problem(with: text) == nil else { return nil }
    self.text = text
  }

  /// Where content of this digest lies; the folders below `sha256` keep each short.
  package init(content digest: SHA256Digest) {
    text = "sha256/\(digest.text.prefix(2))/\(digest.text.dropFirst(2))"
  }

  /// The digest, if the key is of the form that `init(content:)` makes.
  package var contentDigest: SHA256Digest? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "sha256", parts[1].utf8.count == 2 else { return nil }
    return SHA256Digest(parts[1] + parts[2])
  }

  private static func problem(with text: String) -> String? {
    guard (1...1024).contains(text.utf8.count) else { return "it has \(text.utf8.count) bytes, 1 to 1024 are allowed" }
    guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "\\") }) else {
      return "it has a control character or a backslash"
    }
    for component in text.split(separator: "/", omittingEmptySubsequences: false) {
      guard (1...255).contains(component.utf8.count) else {
        return "a part between slashes has \(component.utf8.count) bytes, 1 to 255 are allowed"
      }
      // Azure drops dots at the end of a component; folders use these two themselves.
      guard component.last != "." else { return "a part between slashes ends in a dot" }
    }
    guard !text.hasPrefix(LocalFolder.incoming + "/"), text != LocalFolder.incoming else {
      return "\(LocalFolder.incoming) is kept for files that are being written"
    }
    return nil
  }
}
