import Inference
import Wire

/// Who asks Azure Blob Storage.
package enum AzureCredentials: Sendable {
  /// The account's key, in base 64 as Azure shows it.
  case sharedKey(Secret)
  /// A shared access signature: the query that Azure gives out, with or without its question mark.
  case sas(Secret)
  /// The identity of this machine, by its metadata service.
  ///
  /// - Parameter clientID: Of an identity that the user has assigned; nil for the machine's own.
  case managedIdentity(clientID: String? = nil, service: String = "http://169.254.169.254")

  /// `AZURE_STORAGE_KEY`, else `AZURE_STORAGE_SAS_TOKEN`, else the identity of this machine, `AZURE_CLIENT_ID` if it has
  /// several.
  package init(environment: [String: String]) {
    if let key = environment["AZURE_STORAGE_KEY"] {
      self = .sharedKey(Secret(key))
    } else if let query = environment["AZURE_STORAGE_SAS_TOKEN"] {
      self = .sas(Secret(query))
    } else {
      self = .managedIdentity(clientID: environment["AZURE_CLIENT_ID"])
    }
  }

  func signer(account: String) throws(HostError) -> any RequestSigner {
    switch self {
    case .sharedKey(let key):
      guard let key = Base64.decode(key.text), !key.isEmpty else {
        throw HostError(.storageRefused, "the key of storage account \(account) is no base 64")
      }
      return AzureSharedKey(account: account, key: key)
    case .sas(let query): return AzureSAS(query: query)
    case .managedIdentity(let clientID, let service):
      let query =
        [(name: "api-version", value: "2018-02-01"), (name: "resource", value: "https://storage.azure.com/")]
        + (clientID.map { [(name: "client_id", value: $0)] } ?? [])
      let address = try HTTPAddress(service).at("/metadata/identity/oauth2/token", query)
      return BearerSigner(
        tokens: CachedCredentials { (call) throws(HostError) in
          let request = HTTPRequest("GET", address, headers: [("metadata", "true")])
          let json = try CredentialsClient(isLocal: true).json(request, "token of this machine's identity", call)
          // Azure writes this number as a string.
          guard let token = json["access_token"]?.string,
            let seconds = json["expires_in"]?.int ?? json["expires_in"]?.string.flatMap({ Int($0) })
          else {
            throw HostError(.storageRefused, "the service for tokens answers without a token or its time")
          }
          return .init(value: Secret(token), end: CivilTime.now + min(max(seconds, 0), 86_400))
        })
    }
  }
}

/// A signature that Azure has made ahead, for every request of a kind.
struct AzureSAS: RequestSigner {
  let query: Secret

  func sign(_ request: inout HTTPRequest, at time: CivilTime, _ call: StorageCall) throws(HostError) {
    request.address.query += HTTPAddress.decode(query: String(query.text.trimmed.drop { $0 == "?" }))
  }

  func forgetCredentials() -> Bool { false }
}
