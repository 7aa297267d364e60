/// Who asks, for S3 and what speaks its protocol; MinIO's users and Google's HMAC keys too.
package struct AWSCredentials: Sendable {
  let keyID: String
  let secret: Secret
  /// Of credentials that end.
  let sessionToken: String?

  package init(keyID: String, secret: Secret, sessionToken: String? = nil) {
    self.keyID = keyID
    self.secret = secret
    self.sessionToken = sessionToken
  }
}
