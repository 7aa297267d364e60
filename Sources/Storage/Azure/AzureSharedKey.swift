import Inference

/// Signs with the key of a storage account.
///
/// Source: "Authorize with Shared Key" in the REST reference of Azure Storage, for versions since 2015-02-21.
struct AzureSharedKey: RequestSigner {
  let account: String
  let key: [UInt8]

  /// Headers that are signed by their values alone, in this order.
  private static let fixed = [
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
  ]

  func sign(_ request: inout HTTPRequest, at time: CivilTime, _ call: StorageCall) throws(HostError) {
    request.headers.append(("x-ms-date", time.http))
    let signature = try Hash.hmac(text(of: request).utf8, key: key)
    request.headers.append(("authorization", "SharedKey \(account):\(Base64.encode(signature))"))
  }

  func forgetCredentials() -> Bool { false }

  private func text(of request: HTTPRequest) -> String {
    let values = Self.fixed.map { name in
      if name == "content-length" { return request.body.byteCount == 0 ? "" : String(request.body.byteCount) }
      return request.headers.first { $0.name == name }?.value ?? ""
    }
    let headers = request.headers.filter { $0.name.hasPrefix("x-ms-") }.sorted { $0.name < $1.name }
      .map { "\($0.name):\($0.value)\n" }
    let parameters = request.address.query.sorted { $0.name < $1.name }.map { "\n\($0.name.lowercased()):\($0.value)" }
    return "\(request.method)\n\(values.joined(separator: "\n"))\n\(headers.joined())"
      + "/\(account)\(request.address.encodedPath)\(parameters.joined())"
  }
}
