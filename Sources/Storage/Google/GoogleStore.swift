package import Inference

/// Objects in a bucket of Google Cloud Storage, by its XML interface: S3's protocol with other names, which takes both
/// tokens and HMAC keys.
package struct GoogleStore: ObjectStore {
  private let store: S3Store
  package var description: String { store.description }

  /// - Parameter settings: Region is not used.
  package init(_ settings: S3Settings, _ credentials: GoogleCredentials) throws(HostError) {
    var settings = settings
    // Google's name for "wherever the bucket is" in signatures.
    settings.region = "auto"
    settings.usesPathStyle = settings.usesPathStyle ?? true
    settings.endpoint = settings.endpoint ?? "https://storage.googleapis.com"
    if let tokens = try credentials.tokens(caFile: settings.caFile) {
      store = try S3Store(settings, .google, BearerSigner(tokens: tokens), kind: "google")
    } else if case .hmac(let keyID, let secret) = credentials {
      let chain = AWSCredentialsChain(AWSCredentials(keyID: keyID, secret: secret))
      store = try S3Store(settings, .s3, SigV4(credentials: chain, region: settings.region), kind: "google")
    } else {
      preconditionFailure("credentials without tokens are HMAC keys")
    }
  }

  package func put(
    _ source: FileSlice, at key: ObjectKey, digest: SHA256Digest, _ call: StorageCall
  ) throws(HostError) { try store.put(source, at: key, digest: digest, call) }

  package func get(
    _ key: ObjectKey, range: Range<Int>?, _ call: StorageCall,
    to sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) throws(HostError) { try store.get(key, range: range, call, to: sink) }

  package func facts(of key: ObjectKey, _ call: StorageCall) throws(HostError) -> ObjectFacts? {
    try store.facts(of: key, call)
  }

  package func list(
    prefix: String, _ call: StorageCall, _ visit: (ObjectFacts) throws(HostError) -> Void
  ) throws(HostError) { try store.list(prefix: prefix, call, visit) }

  package func delete(_ key: ObjectKey, _ call: StorageCall) throws(HostError) { try store.delete(key, call) }
}
