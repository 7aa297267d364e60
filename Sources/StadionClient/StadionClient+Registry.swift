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

  /// Sends the next bytes of an upload.
  package func upload(_ bytes: [UInt8], to id: String, at offset: Int) throws(HostError) {
    try Self.check(try connection.send("PUT", "/v1/uploads/\(Self.escaped(id))?offset=\(offset)", body: bytes))
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

  private func ask(_ method: String, _ path: String, _ body: JSONValue?) throws(HostError) -> JSONValue {
    let response = try connection.send(
      method, path, headers: body == nil ? [] : [("Content-Type", "application/json")],
      body: Array((body?.text ?? "").utf8))
    try Self.check(response)
    return try Self.json(response.body)
  }
}
