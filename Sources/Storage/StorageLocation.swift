package import Inference

/// Where objects are, as operators write it:
///
/// - a path, or `file:///path`
/// - `s3://bucket/prefix?region=…&endpoint=https://…&path-style=true|false&ca-file=…`
/// - `gs://bucket/prefix?endpoint=…&ca-file=…`
/// - `azure://account/container/prefix?endpoint=…&ca-file=…`
///
/// Secrets don't stand in it; they come from the environment, under the names that the providers' own tools use.
package struct StorageLocation: Sendable {
  private let scheme: String
  private let path: [String]
  private let options: [String: String]

  private static let known = [
    "file": [], "s3": ["region", "endpoint", "path-style", "ca-file"], "gs": ["endpoint", "ca-file"],
    "azure": ["endpoint", "ca-file"],
  ]

  package init(_ text: String) throws(HostError) {
    guard let colon = text.firstRange(of: "://") else {
      scheme = "file"
      path = [text]
      options = [:]
      return
    }
    scheme = String(text[..<colon.lowerBound])
    guard let known = Self.known[scheme] else {
      throw HostError(
        .invalidRequest, "no storage has the scheme \"\(scheme.prefix(20))\"; file, s3, gs and azure are known")
    }
    let parts = text[colon.upperBound...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    path =
      scheme == "file" ? [String(parts[0])] : parts[0].split(separator: "/").map(String.init)
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

  /// - Parameter environment: For credentials; nothing is asked before the first call.
  package func open(environment: [String: String]) throws(HostError) -> any ObjectStore {
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
