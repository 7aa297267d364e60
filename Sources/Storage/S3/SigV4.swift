import Inference

/// AWS's signature version 4, in the header `authorization`.
///
/// Source: "Authenticating Requests (AWS Signature Version 4)" in the S3 API reference; its examples are tests.
struct SigV4: RequestSigner {
  let credentials: AWSCredentialsChain
  let region: String

  func sign(_ request: inout HTTPRequest, at time: CivilTime, _ call: StorageCall) throws(HostError) {
    try Self.sign(&request, with: credentials.value(call), region: region, at: time)
  }

  func forgetCredentials() -> Bool { credentials.forget() }

  static func sign(
    _ request: inout HTTPRequest, with credentials: AWSCredentials, region: String, at time: CivilTime
  ) throws(HostError) {
    request.headers.append(("x-amz-content-sha256", request.bodyDigest.text))
    request.headers.append(("x-amz-date", time.basic))
    if let token = credentials.sessionToken { request.headers.append(("x-amz-security-token", token)) }
    let signed = ([("host", request.address.host)] + request.headers.map { ($0.name, $0.value.trimmed) })
      .sorted { $0.0 < $1.0 }
    let names = signed.map(\.0).joined(separator: ";")
    let canonical = [
      request.method, request.address.encodedPath, request.address.encodedQuery,
      signed.map { "\($0):\($1)\n" }.joined(), names, request.bodyDigest.text,
    ].joined(separator: "\n")
    let scope = "\(time.day)/\(region)/s3/aws4_request"
    let text = try "AWS4-HMAC-SHA256\n\(time.basic)\n\(scope)\n\(Hash.sha256(canonical.utf8))"
    var key = Array("AWS4\(credentials.secret.text)".utf8)
    for part in scope.split(separator: "/") { key = try Hash.hmac(part.utf8, key: key) }
    let signature = try Hash.hmac(text.utf8, key: key).hexadecimal
    request.headers.append(
      (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=\(credentials.keyID)/\(scope),SignedHeaders=\(names),Signature=\(signature)"
      ))
  }
}
