import Inference
import Storage

/// `stadion_` and 256 random bits in base64url: shown once, then known by its SHA-256 alone.
enum APIKey {
  static let prefix = "stadion_"
  /// 32 bytes are 43 letters.
  static let byteCount = prefix.utf8.count + 43

  static func fresh() -> String {
    prefix + Base64.encodeForURL(random(32))
  }

  /// 48 bits: enough to tell keys apart, none of the key.
  static func freshID() -> String { random(6).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

  /// From the kernel.
  private static func random(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}

/// The SHA-256 of an API key.
struct KeyDigest: Sendable, Equatable {
  private let words: (UInt64, UInt64, UInt64, UInt64)

  init(of key: UnsafeRawBufferPointer) throws(HostError) {
    let hash = try Hash(.sha256)
    hash.update(key)
    self.init(bytes: hash.finish())!
  }

  /// - Parameter bytes: 32, else nil.
  init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    words = bytes.withUnsafeBytes { $0.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self) }
  }

  var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

  /// Where to look for it.
  var bucket: UInt64 { words.0 }

  /// In the same time wherever they differ.
  static func == (a: KeyDigest, b: KeyDigest) -> Bool {
    (a.words.0 ^ b.words.0) | (a.words.1 ^ b.words.1) | (a.words.2 ^ b.words.2) | (a.words.3 ^ b.words.3) == 0
  }
}
