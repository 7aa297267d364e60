import Storage

/// A bucket at moto, that takes only what botocore would have signed.
struct S3Bucket {
  static let keyID = "AKIATEST"
  static let secret = "s3cr3t/of+tests"
  let server: Server

  init() throws { server = try Server("s3.py", [Self.keyID, Self.secret, "eu-north-1", "models"]) }

  func settings(_ change: (inout S3Settings) -> Void = { _ in }) -> S3Settings {
    var settings = S3Settings(bucket: "models")
    settings.region = "eu-north-1"
    settings.endpoint = server.address
    settings.retry.firstPause = .milliseconds(5)
    change(&settings)
    return settings
  }

  func store(
    secret: String = Self.secret, _ change: (inout S3Settings) -> Void = { _ in }
  ) throws -> S3Store {
    try S3Store(settings(change), AWSCredentialsChain(AWSCredentials(keyID: Self.keyID, secret: Secret(secret))))
  }
}
