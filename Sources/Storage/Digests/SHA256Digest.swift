/// The SHA-256 of some content, which is its name in a content-addressed store.
package struct SHA256Digest: Sendable, Hashable, CustomStringConvertible {
  /// 64 lower-case hexadecimal digits.
  package let text: String
  package var description: String { text }

  /// - Parameter text: 64 hexadecimal digits in lower case, else nil.
  package init?(_ text: some StringProtocol) {
    guard text.utf8.count == 64, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { return nil }
    self.text = String(text)
  }

  init(bytes: [UInt8]) {
    precondition(bytes.count == 32)
    text = bytes.hexadecimal
  }

  /// Of no bytes.
  static let ofNothing = SHA256Digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")!
}

extension [UInt8] {
  var hexadecimal: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      unsafeUninitializedCapacity: count * 2,
      initializingUTF8With: { out in
        for (index, byte) in enumerated() {
          out[index * 2] = digits[Int(byte >> 4)]
          out[index * 2 + 1] = digits[Int(byte & 15)]
        }
        return count * 2
      })
  }
}
