package import Inference
import Wire

/// Who asks Google Cloud Storage.
package enum GoogleCredentials: Sendable {
  /// A service account's key, as the JSON text that Google gives out.
  case serviceAccount(json: Secret)
  /// The account of this machine or pod, by its metadata service.
  case metadata(host: String = "metadata.google.internal")
  /// A key for interoperability with S3.
  case hmac(keyID: String, secret: Secret)

  /// The keys `GOOGLE_HMAC_KEY_ID` and `GOOGLE_HMAC_SECRET`, else the file that `GOOGLE_APPLICATION_CREDENTIALS` names,
  /// else the metadata service at `GCE_METADATA_HOST`.
  package init(environment: [String: String]) throws(HostError) {
    if let keyID = environment["GOOGLE_HMAC_KEY_ID"], let secret = environment["GOOGLE_HMAC_SECRET"] {
      self = .hmac(keyID: keyID, secret: Secret(secret))
      return
    }
    guard let path = environment["GOOGLE_APPLICATION_CREDENTIALS"] else {
      self = environment["GCE_METADATA_HOST"].map { .metadata(host: $0) } ?? .metadata()
      return
    }
    do throws(SmallFile.Failure) {
      self = .serviceAccount(json: Secret(String(decoding: try SmallFile.read(path, limit: 1 << 20), as: UTF8.self)))
    } catch { throw HostError(.storageRefused, "the credentials file of GOOGLE_APPLICATION_CREDENTIALS \(error)") }
  }

  private static let scope = "https://www.googleapis.com/auth/devstorage.read_write"

  /// Nil for keys that sign by themselves.
  func tokens(caFile: String?) throws(HostError) -> CachedCredentials<Secret>? {
    switch self {
    case .hmac: return nil
    case .metadata(let host):
      let address = try HTTPAddress("http://\(host)/computeMetadata/v1/instance/service-accounts/default/token")
      return CachedCredentials { (call) throws(HostError) in
        let request = HTTPRequest("GET", address, headers: [("metadata-flavor", "Google")])
        return try Self.read(CredentialsClient(isLocal: true).json(request, "token of this machine's account", call))
      }
    case .serviceAccount(let json):
      let account = try ServiceAccount(json)
      return CachedCredentials { (call) throws(HostError) in
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        let client = try CredentialsClient(isLocal: false, caFile: caFile)
        return try Self.read(
          client.json("token of \(account.email)", call) { (time) throws(HostError) in
            let token = try account.signedRequest(scope: Self.scope, at: time)
            return HTTPRequest(
              "POST", account.tokenAddress, headers: [("content-type", "application/x-www-form-urlencoded")],
              body: .bytes(Array("grant_type=\(HTTPAddress.encode(grant))&assertion=\(token)".utf8)))
          })
      }
    }
  }

  private static func read(_ json: JSONValue) throws(HostError) -> CachedCredentials<Secret>.Fetched {
    guard let token = json["access_token"]?.string, let seconds = json["expires_in"]?.int else {
      throw HostError(.storageRefused, "the service for tokens answers without a token or its time")
    }
    return .init(value: Secret(token), end: CivilTime.now + min(max(seconds, 0), 86_400))
  }
}
