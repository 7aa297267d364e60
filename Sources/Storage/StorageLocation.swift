package import Inference
import Wire

/// Where objects are, as operators write it:
///
/// - a path, or `file:///path`
/// - `s3://bucket/prefix?region=…&endpoint=https://…&path-style=true|false&ca-file=…`
/// - `gs://bucket/prefix?endpoint=…&ca-file=…`
/// - `azure://account/container/prefix?endpoint=…&ca-file=…`; also `az://…`, and
///   `https://account.blob.core.windows.net/container/prefix`
///
/// Secrets don't stand in it; they come from the environment, under the names that the providers' own tools use, or from
/// files that options name instead: `profile` and `credentials-file` of S3, `credentials-file` of Google, `key-file`,
/// `sas-file` and `client-id` of Azure.
package struct StorageLocation: Sendable {
  let scheme: String
  /// What stands between slashes; of a folder, its one path.
  let path: [String]
  let options: [String: String]

  private static let known = [
    "file": [], "s3": ["region", "endpoint", "path-style", "ca-file", "profile", "credentials-file"],
    "gs": ["endpoint", "ca-file", "credentials-file"],
    "azure": ["endpoint", "ca-file", "key-file", "sas-file", "client-id"],
  ]
  private static let azureHost = ".blob.core.windows.net"

  package init(_ text: String) throws(HostError) {
    guard let colon = text.firstRange(of: "://") else {
      scheme = "file"
      path = [text]
      options = [:]
      return
    }
    let word = String(text[..<colon.lowerBound])
    let parts = text[colon.upperBound...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var path = word == "file" ? [String(parts[0])] : parts[0].split(separator: "/").map(String.init)
    if word == "https", let host = path.first, host.hasSuffix(Self.azureHost) {
      scheme = "azure"
      path = [String(host.dropLast(Self.azureHost.count))] + path.dropFirst().map { HTTPAddress.decode($0[...]) }
    } else {
      scheme = word == "az" ? "azure" : word
    }
    self.path = path
    guard let known = Self.known[scheme] else {
      throw HostError(
        .invalidRequest, "no storage has the scheme \"\(word.prefix(20))\"; file, s3, gs and azure are known")
    }
    var options: [String: String] = [:]
    for (name, value) in parts.count == 2 ? HTTPAddress.decode(query: String(parts[1])) : [] {
      guard known.contains(name) else {
        let names = known.isEmpty ? "it has none" : "known are \(known.joined(separator: ", "))"
        throw HostError(.invalidRequest, "\(scheme) storage has no option \"\(name.prefix(40))\"; \(names)")
      }
      options[name] = value
    }
    self.options = options
  }

  private init(_ scheme: String, _ path: [String], _ options: [String: String]) {
    self.scheme = scheme
    self.path = path
    self.options = options
  }

  /// The same, without what is read from files.
  var withoutFiles: StorageLocation { StorageLocation(scheme, path, options.filter { !$0.key.hasSuffix("-file") }) }

  /// - Parameter environment: For credentials; nothing is asked before the first call.
  package func open(environment: [String: String]) throws(HostError) -> any ObjectStore {
    let environment = try credentials(over: environment)
    switch scheme {
    case "file":
      guard path[0].hasPrefix("/") else {
        throw HostError(.invalidRequest, "storage folder \"\(path[0].prefix(100))\" is no absolute path")
      }
      return try LocalFolder(path[0])
    case "s3":
      var settings = try bucket()
      settings.region =
        options["region"] ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1"
      settings.endpoint = options["endpoint"] ?? environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"]
      if let style = options["path-style"] {
        guard let usesPath = Bool(style) else {
          throw HostError(.invalidRequest, "path-style is \"\(style.prefix(20))\", true or false is wanted")
        }
        settings.usesPathStyle = usesPath
      }
      return try below(path.dropFirst(), S3Store(settings, AWSCredentialsChain(environment: environment)))
    case "gs":
      var settings = try bucket()
      settings.endpoint = options["endpoint"]
      return try below(path.dropFirst(), GoogleStore(settings, GoogleCredentials(environment: environment)))
    default:
      guard path.count >= 2 else {
        throw HostError(.invalidRequest, "an Azure location is written azure://account/container")
      }
      var settings = AzureSettings(account: path[0], container: path[1])
      settings.endpoint = options["endpoint"]
      settings.caFile = options["ca-file"]
      return try below(path.dropFirst(2), AzureStore(settings, AzureCredentials(environment: environment)))
    }
  }

  /// Variables with those in place of which an option stands.
  private func credentials(over environment: [String: String]) throws(HostError) -> [String: String] {
    var environment = environment
    func choose(_ name: String, _ value: String, insteadOf others: String...) {
      for other in others { environment[other] = nil }
      environment[name] = value
    }
    func content(_ option: String, _ path: String) throws(HostError) -> String {
      do throws(SmallFile.Failure) {
        return String(decoding: try SmallFile.read(path, limit: 64 * 1024), as: UTF8.self).trimmed
      } catch { throw HostError(.storageRefused, "the \(option) of storage \(scheme)://\(self.path[0]) \(error)") }
    }
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    if let profile = options["profile"] {
      choose("AWS_PROFILE", profile, insteadOf: keys[0], keys[1], keys[2])
    }
    switch (scheme, options["credentials-file"]) {
    case ("s3", let file?): choose("AWS_SHARED_CREDENTIALS_FILE", file, insteadOf: keys[0], keys[1], keys[2])
    case ("gs", let file?): choose("GOOGLE_APPLICATION_CREDENTIALS", file, insteadOf: "GOOGLE_HMAC_KEY_ID")
    default: break
    }
    if let id = options["client-id"] {
      choose("AZURE_CLIENT_ID", id, insteadOf: "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN")
    }
    if let file = options["sas-file"] {
      choose("AZURE_STORAGE_SAS_TOKEN", try content("sas-file", file), insteadOf: "AZURE_STORAGE_KEY")
    }
    if let file = options["key-file"] { choose("AZURE_STORAGE_KEY", try content("key-file", file)) }
    return environment
  }

  private func bucket() throws(HostError) -> S3Settings {
    guard let name = path.first else {
      throw HostError(.invalidRequest, "a location at a provider is written \(scheme)://bucket")
    }
    var settings = S3Settings(bucket: name)
    settings.caFile = options["ca-file"]
    return settings
  }

  private func below(_ prefix: ArraySlice<String>, _ store: some ObjectStore) throws(HostError) -> any ObjectStore {
    prefix.isEmpty ? store : PrefixedStore(store, try ObjectKey(prefix.joined(separator: "/")))
  }
}
