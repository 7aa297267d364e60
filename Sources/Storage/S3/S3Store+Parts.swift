import Inference

/// Large objects, sent in parts that are put together at the end.
extension S3Store {
  private static let maxPartCount = 10_000  // S3's and Google's limit

  func putParts(_ source: FileSlice, at key: ObjectKey, digest: SHA256Digest, _ call: StorageCall) throws(HostError) {
    let what = "storing \(key)"
    let upload = try begin(what, key, digest, call)
    do throws(HostError) {
      let parts = try send(source, what, key, upload, digest, call)
      try complete(what, key, upload, parts, ObjectFacts(key: key, byteCount: source.byteCount, digest: digest), call)
    } catch {
      abandon(key, upload)
      throw error
    }
  }

  private func begin(
    _ what: String, _ key: ObjectKey, _ digest: SHA256Digest, _ call: StorageCall
  ) throws(HostError) -> String {
    // A lost answer leaves an upload without parts behind, which the bucket's own rules remove.
    let answer = try provider.send(what, call) {
      HTTPRequest("POST", address(of: key, [("uploads", "")]), headers: [dialect.digestHeader(digest)])
    }
    guard let upload = XMLElement(parsing: answer.body)?.text(of: "UploadId"), !upload.isEmpty else {
      throw HostError(.internalError, "\(description): \(what): the answer names no upload")
    }
    return upload
  }

  /// The parts' tags, in order.
  private func send(
    _ source: FileSlice, _ what: String, _ key: ObjectKey, _ upload: String, _ digest: SHA256Digest,
    _ call: StorageCall
  ) throws(HostError) -> [String] {
    let whole = try Hash(.sha256)
    let least = (source.byteCount + Self.maxPartCount - 1) / Self.maxPartCount
    var tags: [String] = []
    for start in stride(from: 0, to: source.byteCount, by: max(partByteCount, least)) {
      let part = source.part(start..<min(start + max(partByteCount, least), source.byteCount))
      let checks = try dialect.checks(of: part, whole: whole, call)
      let query = [(name: "partNumber", value: String(tags.count + 1)), (name: "uploadId", value: upload)]
      let answer = try provider.send(what, call) {
        HTTPRequest(
          "PUT", address(of: key, query), headers: checks.headers, body: .file(part), digest: checks.digest)
      }
      guard let tag = answer.headers["etag"] else {
        throw HostError(.internalError, "\(description): \(what): the answer to part \(tags.count + 1) has no tag")
      }
      tags.append(tag)
    }
    guard SHA256Digest(bytes: whole.finish()) == digest else { throw changed(what, digest) }
    return tags
  }

  private func complete(
    _ what: String, _ key: ObjectKey, _ upload: String, _ tags: [String], _ expected: ObjectFacts, _ call: StorageCall
  ) throws(HostError) {
    let parts = tags.enumerated().map { index, tag in
      "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(XMLElement.encode(tag))</ETag></Part>"
    }
    let body = Array("<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>".utf8)
    let digest = try Hash.sha256(body)
    let answer = try provider.send(what, call, accepting: [404]) {
      HTTPRequest("POST", address(of: key, [("uploadId", upload)]), body: .bytes(body), digest: digest)
    }
    // The answer of an earlier try may have been lost, and the upload is gone since it is done.
    if answer.status == 404, try facts(of: key, call) != expected {
      throw HostError(.conflict, "\(description): \(what): the upload has been ended by somebody else")
    }
  }

  /// Has the parts removed. Whoever has failed or cancelled waits a little for it, and no error of it counts.
  private func abandon(_ key: ObjectKey, _ upload: String) {
    let call = StorageCall(deadline: .now + .seconds(5))
    _ = try? provider.send("giving up \(key)", call, accepting: [404]) {
      HTTPRequest("DELETE", address(of: key, [("uploadId", upload)]))
    }
  }
}
