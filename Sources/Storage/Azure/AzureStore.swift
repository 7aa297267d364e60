package import Inference

/// Objects as block blobs in a container of Azure Blob Storage.
package final class AzureStore: ObjectStore {
  package var description: String { provider.name }

  private static let version = (name: "x-ms-version", value: "2021-08-06")
  private static let maxBlockCount = 50_000  // Azure's limit
  private static let digestName = "x-ms-meta-sha256"

  private let provider: Provider
  /// The container's.
  private let address: HTTPAddress
  private let partByteCount: Int

  package init(_ settings: AzureSettings, _ credentials: AzureCredentials) throws(HostError) {
    address = try settings.address()
    precondition(settings.partByteCount > 0)
    partByteCount = settings.partByteCount
    let place = settings.endpoint == nil ? "" : " at \(address.host)"
    provider = Provider(
      name: "azure container \(settings.account)/\(settings.container)\(place)",
      client: try HTTPClient(caFile: settings.caFile), signer: try credentials.signer(account: settings.account),
      retry: settings.retry)
  }

  private func request(
    _ method: String, _ key: ObjectKey, _ query: [(name: String, value: String)] = [],
    headers: [(name: String, value: String)] = [], body: HTTPRequest.Body = .none
  ) -> HTTPRequest {
    HTTPRequest(
      method, address.at("\(address.path)/\(key.text)", query), headers: [Self.version] + headers, body: body)
  }

  // MARK: Storing

  package func put(
    _ source: FileSlice, at key: ObjectKey, digest: SHA256Digest, _ call: StorageCall
  ) throws(HostError) {
    let what = "storing \(key)"
    let whole = try Hash(.sha256)
    let kept = (name: Self.digestName, value: digest.text)
    guard source.byteCount > partByteCount else {
      let md5 = try self.md5(of: source, whole, call)
      try check(whole, digest, what)
      let headers = [(name: "x-ms-blob-type", value: "BlockBlob"), md5, kept]
      _ = try provider.send(what, call) { request("PUT", key, headers: headers, body: .file(source)) }
      return
    }
    // Blocks that no list names are gone after a week: a failed upload leaves nothing that needs removing.
    let blocks = try send(source, key, digest, whole, what, call)
    try check(whole, digest, what)
    let list = blocks.map { "<Latest>\($0)</Latest>" }.joined()
    let body = Array("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>\(list)</BlockList>".utf8)
    _ = try provider.send(what, call) {
      request("PUT", key, [("comp", "blocklist")], headers: [kept], body: .bytes(body))
    }
  }

  /// The blocks' names, in order. They begin with the content's digest, so that two who store other content under the
  /// same key at once don't mix their blocks.
  private func send(
    _ source: FileSlice, _ key: ObjectKey, _ digest: SHA256Digest, _ whole: Hash, _ what: String, _ call: StorageCall
  ) throws(HostError) -> [String] {
    let size = max(partByteCount, (source.byteCount + Self.maxBlockCount - 1) / Self.maxBlockCount)
    var blocks: [String] = []
    for start in stride(from: 0, to: source.byteCount, by: size) {
      let part = source.part(start..<min(start + size, source.byteCount))
      let md5 = try self.md5(of: part, whole, call)
      let number = String(100_000 + blocks.count)
      let block = Base64.encode("\(digest.text.prefix(32))-\(number)".utf8)
      _ = try provider.send(what, call) {
        request("PUT", key, [("comp", "block"), ("blockid", block)], headers: [md5], body: .file(part))
      }
      blocks.append(block)
    }
    return blocks
  }

  private func md5(of body: FileSlice, _ whole: Hash, _ call: StorageCall) throws(HostError) -> (
    name: String, value: String
  ) {
    let md5 = try Hash(.md5)
    try body.forEachPiece(call, "reading a file to store") { (bytes) throws(HostError) in
      md5.update(bytes)
      whole.update(bytes)
    }
    return ("content-md5", Base64.encode(md5.finish()))
  }

  private func check(_ whole: Hash, _ digest: SHA256Digest, _ what: String) throws(HostError) {
    guard SHA256Digest(bytes: whole.finish()) == digest else {
      throw HostError(
        .conflict, "\(description): \(what): the source is not \(digest), or has changed while it was read")
    }
  }

  // MARK: Reading

  package func get(
    _ key: ObjectKey, range: Range<Int>?, _ call: StorageCall,
    to sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) throws(HostError) {
    if let range, range.isEmpty { return }
    // Unlike the plain header this one is sure to be signed.
    try provider.download("reading \(key)", range: range, rangeName: "x-ms-range", call, to: sink) {
      request("GET", key)
    }
  }

  package func facts(of key: ObjectKey, _ call: StorageCall) throws(HostError) -> ObjectFacts? {
    let answer = try provider.send("looking at \(key)", call, accepting: [404]) { request("HEAD", key) }
    if answer.status == 404 { return nil }
    guard let byteCount = answer.headers["content-length"].flatMap({ Int($0) }) else {
      throw HostError(.internalError, "\(description): the answer about \(key) has no length")
    }
    return ObjectFacts(
      key: key, byteCount: byteCount, digest: answer.headers[Self.digestName].flatMap { SHA256Digest($0) })
  }

  package func list(
    prefix: String, _ call: StorageCall, _ visit: (ObjectFacts) throws(HostError) -> Void
  ) throws(HostError) {
    var next = ""
    repeat {
      let query =
        [(name: "restype", value: "container"), (name: "comp", value: "list"), (name: "prefix", value: prefix)]
        + (next.isEmpty ? [] : [(name: "marker", value: next)])
      let answer = try provider.send("listing \(prefix)", call) {
        HTTPRequest("GET", address.at(address.path, query), headers: [Self.version])
      }
      guard let page = XMLElement(parsing: answer.body), page.name == "EnumerationResults" else {
        throw HostError(.internalError, "\(description): the answer to a list is no list")
      }
      for entry in page.child("Blobs")?.children("Blob") ?? [] {
        guard let key = entry.text(of: "Name").flatMap(ObjectKey.init(ifValid:)),
          let byteCount = entry.child("Properties")?.text(of: "Content-Length").flatMap({ Int($0) })
        else { continue }
        try visit(ObjectFacts(key: key, byteCount: byteCount))
      }
      next = page.text(of: "NextMarker") ?? ""
    } while !next.isEmpty
  }

  package func delete(_ key: ObjectKey, _ call: StorageCall) throws(HostError) {
    _ = try provider.send("deleting \(key)", call, accepting: [404]) { request("DELETE", key) }
  }
}
