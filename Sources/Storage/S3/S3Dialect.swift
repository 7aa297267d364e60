import Inference

/// What differs between S3 and those who speak its protocol.
enum S3Dialect {
  /// S3 itself, MinIO, and Google with HMAC keys. The signature covers the body's SHA-256, so that is checked.
  case s3
  /// Google with tokens, which cover nothing: an MD5 goes with each body.
  case google

  /// Of the header where we keep an object's SHA-256.
  var digestName: String { self == .s3 ? "x-amz-meta-sha256" : "x-goog-meta-sha256" }

  func digestHeader(_ digest: SHA256Digest) -> (name: String, value: String) { (digestName, digest.text) }

  /// What is sent along with a body so that the server takes no other.
  struct Checks {
    let digest: SHA256Digest
    let headers: [(name: String, value: String)]
  }

  /// - Parameter whole: Gets the bytes too.
  func checks(of body: FileSlice, whole: Hash? = nil, _ call: StorageCall) throws(HostError) -> Checks {
    let sha256 = try Hash(.sha256)
    let md5 = self == .google ? try Hash(.md5) : nil
    try body.forEachPiece(call, "reading a file to store") { (bytes) throws(HostError) in
      sha256.update(bytes)
      md5?.update(bytes)
      whole?.update(bytes)
    }
    return Checks(
      digest: SHA256Digest(bytes: sha256.finish()),
      headers: md5.map { [("content-md5", Base64.encode($0.finish()))] } ?? [])
  }
}
