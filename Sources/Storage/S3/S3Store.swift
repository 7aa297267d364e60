package import Inference

/// Objects in a bucket of S3, or of what speaks its protocol: MinIO, and Google's XML interface.
package final class S3Store: ObjectStore {
  package var description: String { provider.name }

  let provider: Provider
  /// The bucket's.
  let address: HTTPAddress
  let dialect: S3Dialect
  let partByteCount: Int

  package convenience init(_ settings: S3Settings, _ credentials: AWSCredentialsChain) throws(HostError) {
    try self.init(settings, .s3, SigV4(credentials: credentials, region: settings.region), kind: "s3")
  }

  init(
    _ settings: S3Settings, _ dialect: S3Dialect, _ signer: any RequestSigner, kind: String
  ) throws(HostError) {
    address = try settings.address()
    self.dialect = dialect
    precondition(settings.partByteCount > 0)
    partByteCount = settings.partByteCount
    let place = settings.endpoint == nil ? "" : " at \(address.host)"
    provider = Provider(
      name: "\(kind) bucket \(settings.bucket)\(place)", client: try HTTPClient(caFile: settings.caFile),
      signer: signer,
      retry: settings.retry)
  }

  func address(of key: ObjectKey, _ query: [(name: String, value: String)] = []) -> HTTPAddress {
    address.at(address.path + key.text, query)
  }

  package func put(
    _ source: FileSlice, at key: ObjectKey, digest: SHA256Digest, _ call: StorageCall
  ) throws(HostError) {
    guard source.byteCount <= partByteCount else { return try putParts(source, at: key, digest: digest, call) }
    let what = "storing \(key)"
    _ = try provider.send(what, call) { () throws(HostError) in
      let checks = try dialect.checks(of: source, call)
      guard checks.digest == digest else { throw changed(what, digest) }
      return HTTPRequest(
        "PUT", address(of: key), headers: checks.headers + [dialect.digestHeader(digest)], body: .file(source),
        digest: digest)
    }
  }

  func changed(_ what: String, _ digest: SHA256Digest) -> HostError {
    HostError(.conflict, "\(description): \(what): the source is not \(digest), or has changed while it was read")
  }

  package func get(
    _ key: ObjectKey, range: Range<Int>?, _ call: StorageCall,
    to sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) throws(HostError) {
    if let range, range.isEmpty { return }
    try provider.download("reading \(key)", range: range, call, to: sink) { HTTPRequest("GET", address(of: key)) }
  }

  package func facts(of key: ObjectKey, _ call: StorageCall) throws(HostError) -> ObjectFacts? {
    let answer = try provider.send("looking at \(key)", call, accepting: [404]) {
      HTTPRequest("HEAD", address(of: key))
    }
    if answer.status == 404 { return nil }
    guard let byteCount = answer.headers["content-length"].flatMap({ Int($0) }) else {
      throw HostError(.internalError, "\(description): the answer about \(key) has no length")
    }
    return ObjectFacts(
      key: key, byteCount: byteCount, digest: answer.headers[dialect.digestName].flatMap { SHA256Digest($0) })
  }

  package func list(
    prefix: String, _ call: StorageCall, _ visit: (ObjectFacts) throws(HostError) -> Void
  ) throws(HostError) {
    var next: String?
    repeat {
      let query =
        [(name: "list-type", value: "2"), (name: "prefix", value: prefix)]
        + (next.map { [(name: "continuation-token", value: $0)] } ?? [])
      let answer = try provider.send("listing \(prefix)", call) { HTTPRequest("GET", address.at(address.path, query)) }
      guard let page = XMLElement(parsing: answer.body), page.name == "ListBucketResult" else {
        throw HostError(.internalError, "\(description): the answer to a list is no list")
      }
      for entry in page.children("Contents") {
        guard let key = entry.text(of: "Key").flatMap(ObjectKey.init(ifValid:)),
          let byteCount = entry.text(of: "Size").flatMap({ Int($0) })
        else { continue }
        try visit(ObjectFacts(key: key, byteCount: byteCount))
      }
      let isLast = page.text(of: "IsTruncated") != "true"
      next = isLast ? nil : page.text(of: "NextContinuationToken")
    } while next != nil
  }

  package func delete(_ key: ObjectKey, _ call: StorageCall) throws(HostError) {
    _ = try provider.send("deleting \(key)", call, accepting: [404]) { HTTPRequest("DELETE", address(of: key)) }
  }
}
