import Inference
import Wire

/// Where credentials for S3 come from: the first of these that has any.
///
/// 1. `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`
/// 2. the profile `AWS_PROFILE`, or `default`, of the file `AWS_SHARED_CREDENTIALS_FILE`, or `~/.aws/credentials`
/// 3. the container's service that `AWS_CONTAINER_CREDENTIALS_FULL_URI` or `…_RELATIVE_URI` names (ECS, EKS)
/// 4. the machine's metadata service (EC2), unless `AWS_EC2_METADATA_DISABLED` is `true`
package struct AWSCredentialsChain: Sendable {
  private let cached: CachedCredentials<AWSCredentials>

  /// Always the same.
  package init(_ credentials: AWSCredentials) {
    cached = CachedCredentials { (_) throws(HostError) in .init(value: credentials, end: nil) }
  }

  package init(environment: [String: String]) {
    cached = CachedCredentials { (call) throws(HostError) in try Self.fetch(environment, call) }
  }

  func value(_ call: StorageCall) throws(HostError) -> AWSCredentials { try cached.value(call) }
  func forget() -> Bool { cached.forget() }

  private typealias Fetched = CachedCredentials<AWSCredentials>.Fetched

  private static func fetch(_ environment: [String: String], _ call: StorageCall) throws(HostError) -> Fetched {
    if let keyID = environment["AWS_ACCESS_KEY_ID"], let secret = environment["AWS_SECRET_ACCESS_KEY"] {
      let token = environment["AWS_SESSION_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
      return Fetched(
        value: AWSCredentials(keyID: keyID, secret: Secret(secret), sessionToken: token), end: nil)
    }
    if let credentials = try inFile(environment) { return Fetched(value: credentials, end: nil) }
    if let address = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
      ?? environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"].map({ "http://169.254.170.2\($0)" })
    {
      return try ofContainer(address, environment, call)
    }
    guard environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() != "true" else {
      throw HostError(.storageRefused, "no credentials for S3 in the environment or in ~/.aws/credentials; set some")
    }
    return try ofMachine(environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254", call)
  }

  private static func inFile(_ environment: [String: String]) throws(HostError) -> AWSCredentials? {
    let named = environment["AWS_SHARED_CREDENTIALS_FILE"]
    guard let path = named ?? environment["HOME"].map({ "\($0)/.aws/credentials" }) else { return nil }
    let profile = environment["AWS_PROFILE"] ?? "default"
    let file = named == nil ? "~/.aws/credentials" : "of AWS_SHARED_CREDENTIALS_FILE"
    let text: [UInt8]
    do throws(SmallFile.Failure) { text = try SmallFile.read(path, limit: 1 << 20) } catch {
      if named == nil && environment["AWS_PROFILE"] == nil { return nil }
      throw HostError(.storageRefused, "the credentials file \(file) \(error)")
    }
    let values = section(profile, of: String(decoding: text, as: UTF8.self))
    guard let keyID = values["aws_access_key_id"], let secret = values["aws_secret_access_key"] else {
      if environment["AWS_PROFILE"] == nil { return nil }
      throw HostError(.storageRefused, "the credentials file \(file) has no keys for profile \(profile)")
    }
    return AWSCredentials(keyID: keyID, secret: Secret(secret), sessionToken: values["aws_session_token"])
  }

  private static func section(_ name: String, of text: String) -> [String: String] {
    var values: [String: String] = [:]
    var isInside = false
    for line in text.split(whereSeparator: \.isNewline).map(\.trimmed) where !line.hasPrefix("#") {
      if line.hasPrefix("[") {
        isInside = line.dropFirst().prefix { $0 != "]" }.trimmed == name
      } else if isInside, let sign = line.firstIndex(of: "=") {
        values[line[..<sign].trimmed] = line[line.index(after: sign)...].trimmed
      }
    }
    return values
  }

  private static func ofContainer(
    _ address: String, _ environment: [String: String], _ call: StorageCall
  ) throws(HostError) -> Fetched {
    var request = HTTPRequest("GET", try HTTPAddress(address))
    if let path = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] {
      do throws(SmallFile.Failure) {
        let token = String(decoding: try SmallFile.read(path, limit: 64 * 1024), as: UTF8.self).trimmed
        request.headers.append(("authorization", token))
      } catch { throw HostError(.storageRefused, "the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE \(error)") }
    } else if let token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] {
      request.headers.append(("authorization", token))
    }
    return try read(CredentialsClient(isLocal: true).json(request, "credentials of the container", call))
  }

  /// IMDSv2: a token first, so that no forged request is answered.
  private static func ofMachine(_ service: String, _ call: StorageCall) throws(HostError) -> Fetched {
    let what = "credentials of this machine"
    let client = try CredentialsClient(isLocal: true)
    let address = try HTTPAddress(service)
    let lifetime = ("x-aws-ec2-metadata-token-ttl-seconds", "21600")
    let token = try client.send(HTTPRequest("PUT", address.at("/latest/api/token"), headers: [lifetime]), what, call)
    let headers = [(name: "x-aws-ec2-metadata-token", value: String(decoding: token, as: UTF8.self).trimmed)]
    let path = "/latest/meta-data/iam/security-credentials/"
    let roles = try client.send(HTTPRequest("GET", address.at(path), headers: headers), what, call)
    let role = String(decoding: roles.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self).trimmed
    guard !role.isEmpty else { throw HostError(.storageRefused, "\(what): it has no role; give it one, or set keys") }
    return try read(client.json(HTTPRequest("GET", address.at(path + role), headers: headers), what, call))
  }

  private static func read(_ json: JSONValue) throws(HostError) -> Fetched {
    guard let keyID = json["AccessKeyId"]?.string, let secret = json["SecretAccessKey"]?.string,
      let token = json["Token"]?.string, let end = json["Expiration"]?.string.flatMap(CivilTime.init(iso8601:))
    else { throw HostError(.storageRefused, "the service for credentials answers without a key, a token or its end") }
    return Fetched(value: AWSCredentials(keyID: keyID, secret: Secret(secret), sessionToken: token), end: end)
  }
}
