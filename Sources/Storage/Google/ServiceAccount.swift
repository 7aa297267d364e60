import Inference
import Wire

/// An account whose private key we have: signs requests for tokens (RFC 7523).
struct ServiceAccount: Sendable {
  let email: String
  let tokenAddress: HTTPAddress
  private let keyID: String?
  private let key: RSAKey

  init(_ text: Secret) throws(HostError) {
    let json: JSONValue
    // The reader's message might quote what is secret.
    do throws(JSONError) { json = try JSONValue(parsing: text.text) } catch {
      throw HostError(.storageRefused, "the service account's key is no JSON")
    }
    guard let email = json["client_email"]?.string, let pem = json["private_key"]?.string else {
      throw HostError(
        .storageRefused, "the service account's key has no client_email or no private_key; is it of another type?")
    }
    self.email = email
    keyID = json["private_key_id"]?.string
    key = RSAKey(pem: Secret(pem))
    tokenAddress = try HTTPAddress(json["token_uri"]?.string ?? "https://oauth2.googleapis.com/token")
  }

  /// A JSON Web Token that asks for an access token, good for an hour.
  func signedRequest(scope: String, at time: CivilTime) throws(HostError) -> String {
    let header = JSONValue.object(
      [.init("alg", "RS256"), .init("typ", "JWT")] + (keyID.map { [.init("kid", .string($0))] } ?? []))
    let claims: JSONValue = [
      "iss": .string(email), "scope": .string(scope), "aud": .string(tokenAddress.text),
      "iat": .integer(time.seconds), "exp": .integer(time.seconds + 3600),
    ]
    let text = "\(Base64.encodeForURL(header.text.utf8)).\(Base64.encodeForURL(claims.text.utf8))"
    return try "\(text).\(Base64.encodeForURL(key.sign(text.utf8)))"
  }
}
