import Inference

/// A private key that signs.
struct RSAKey: Sendable {
  private let pem: Secret

  /// - Parameter pem: PKCS #8 in PEM, as service accounts have it.
  init(pem: Secret) { self.pem = pem }

  /// RSASSA-PKCS1-v1_5 with SHA-256: RS256 of RFC 7518.
  func sign(_ text: some Sequence<UInt8>) throws(HostError) -> [UInt8] {
    let library = try LibCrypto.shared
    let bytes = Array(pem.text.utf8)
    guard let memory = library.newMemory(bytes, CInt(bytes.count)) else {
      throw HostError(.overloaded, "no memory for a key")
    }
    defer { _ = library.freeMemory(memory) }
    // Without a function that gives a password OpenSSL would ask at the terminal.
    guard let key = library.readPrivateKey(memory, nil, { _, _, _, _ in -1 }, nil) else {
      throw HostError(.storageRefused, "the private key of the service account is no PEM key without a password")
    }
    defer { library.freeKey(key) }
    guard let context = library.newContext() else { throw HostError(.overloaded, "no memory for a signature") }
    defer { library.freeContext(context) }
    let text = Array(text)
    var count = 0
    guard library.startSignature(context, nil, library.sha256, nil, key) == 1,
      library.sign(context, nil, &count, text, text.count) == 1
    else { throw HostError(.storageRefused, "the private key of the service account can't sign") }
    var signature = [UInt8](repeating: 0, count: count)
    guard library.sign(context, &signature, &count, text, text.count) == 1 else {
      throw HostError(.storageRefused, "the private key of the service account can't sign")
    }
    return Array(signature.prefix(count))
  }
}
