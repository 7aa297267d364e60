package import Inference

/// A digest in the making. Owned by one thread at a time.
package final class Hash {
  package enum Algorithm { case sha256, md5 }

  private let library: LibCrypto
  private let context: LibCrypto.Context

  package init(_ algorithm: Algorithm) throws(HostError) {
    library = try .shared
    guard let context = library.newContext() else { throw HostError(.overloaded, "no memory for a digest") }
    self.context = context
    // MD5 may be forbidden by the system's policy.
    guard library.start(context, algorithm == .md5 ? library.md5 : library.sha256, nil) == 1 else {
      throw HostError(.unsupported, "libcrypto computes no \(algorithm) here")
    }
  }

  deinit { library.freeContext(context) }

  package func update(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    let result = library.update(context, bytes.baseAddress, bytes.count)
    precondition(result == 1, "a digest that has begun takes bytes")
  }

  /// The digest's bytes. Nothing may be added afterwards.
  package func finish() -> [UInt8] {
    var out = [UInt8](repeating: 0, count: 64)
    var count: UInt32 = 0
    let result = library.finish(context, &out, &count)
    precondition(result == 1, "a digest that has begun ends")
    return Array(out.prefix(Int(count)))
  }

  static func sha256(_ bytes: some Sequence<UInt8>) throws(HostError) -> SHA256Digest {
    let hash = try Hash(.sha256)
    Array(bytes).withUnsafeBytes { hash.update($0) }
    return SHA256Digest(bytes: hash.finish())
  }

  static func hmac(_ text: some Sequence<UInt8>, key: [UInt8]) throws(HostError) -> [UInt8] {
    let library = try LibCrypto.shared
    let text = Array(text)
    var out = [UInt8](repeating: 0, count: 32)
    let result = library.hmac(library.sha256, key, CInt(key.count), text, text.count, &out, nil)
    guard result != nil else { throw HostError(.unsupported, "libcrypto computes no HMAC here") }
    return out
  }
}
