package import Inference
package import Wire

/// The registry: what is kept, and where it stands.
extension StadionClient {
  /// Begins an upload; its id. Bytes that aren't those of `sha256` are refused in the end.
  package func beginUpload(byteCount: Int, sha256: String) throws(HostError) -> String {
    let answer = try ask("POST", "/v1/uploads", ["bytes": .integer(byteCount), "sha256": .string(sha256)])
    guard let id = answer["id"]?.string else {
      throw HostError(.internalError, "the server's answer has no upload's id")
    }
    return id
  }

  /// Uploads of these bytes that were begun before.
  package func uploads(byteCount: Int, sha256: String) throws(HostError) -> [(id: String, offset: Int)] {
    let answer = try ask("GET", "/v1/uploads?sha256=\(sha256)", nil)
    return (answer["uploads"]?.array ?? []).compactMap { upload in
      guard upload["bytes"]?.int == byteCount, let id = upload["id"]?.string, let offset = upload["offset"]?.int else {
        return nil
      }
      return (id, offset)
    }
  }

  /// Sends the next bytes of an upload.
  package func upload(_ bytes: [UInt8], to id: String, at offset: Int) throws(HostError) {
    try Self.check(try connection.send("PUT", "/v1/uploads/\(Self.escaped(id))?offset=\(offset)", body: bytes))
  }

  /// Has the host forget an upload.
  package func deleteUpload(_ id: String) throws(HostError) {
    _ = try ask("DELETE", "/v1/uploads/\(Self.escaped(id))")
  }

  /// Asks something of a registered model.
  ///
  /// - Parameter path: Behind the model's name, as `versions` or `aliases/champion`; percent-encoded.
  package func registry(
    _ method: String, _ model: String, _ path: String, _ body: JSONValue? = nil
  ) throws(HostError) -> JSONValue {
    try ask(method, "/v1/models/\(Self.escaped(model))/\(path)", body)
  }

  /// A job as the host tells it.
  package func job(_ id: String) throws(HostError) -> JSONValue { try ask("GET", "/v1/jobs/\(Self.escaped(id))", nil) }

  /// A page of registered versions.
  ///
  /// - Parameter query: As `stage=production&limit=10`; percent-encoded.
  package func registeredVersions(_ query: String) throws(HostError) -> JSONValue {
    try ask("GET", "/v1/versions?\(query)", nil)
  }

  /// Asks something of the control plane.
  ///
  /// - Parameter path: From `/v1/` on, percent-encoded.
  package func ask(_ method: String, _ path: String, _ body: JSONValue? = nil) throws(HostError) -> JSONValue {
    let response = try connection.send(
      method, path, headers: body == nil ? [] : [("Content-Type", "application/json")],
      body: Array((body?.text ?? "").utf8))
    try Self.check(response)
    return try Self.json(response.body)
  }
}
