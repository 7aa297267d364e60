package import Inference
package import StadionClient

/// How a request carries its tensors.
package enum TensorEncoding: String, Sendable, CaseIterable {
  /// As the bytes that they are: the protocol's binary extension.
  case binary
  /// As numbers and strings: the protocol's plain form, which every server takes.
  case json
}

/// One inference request as the bytes that are sent, made once.
package struct PreparedRequest: Sendable {
  package let address: HostAddress
  package let bytes: [UInt8]

  /// - Parameter key: API key; nil for none.
  /// - Throws: `HostError` for tensors that JSON has no form for.
  package init(
    _ model: ModelID, inputs: [DenseTensor], to address: HostAddress, key: String?, encoding: TensorEncoding
  ) throws(HostError) {
    guard encoding == .json else {
      self.init(model, inputs: inputs, to: address, key: key)
      return
    }
    let body = try InferenceMessage.json(inputs)
    self.init(address, Self.head(model, address, key, "Content-Type: application/json", body.count), body)
  }

  package init(_ model: ModelID, inputs: [DenseTensor], to address: HostAddress, key: String? = nil) {
    let (body, headLength) = InferenceMessage.request(inputs, [], [])
    let type = "Content-Type: application/octet-stream\r\n\(InferenceMessage.lengthHeader): \(headLength)"
    self.init(address, Self.head(model, address, key, type, body.count), body)
  }

  private init(_ address: HostAddress, _ head: String, _ body: [UInt8]) {
    self.address = address
    bytes = Array(head.utf8) + body
  }

  private static func head(_ model: ModelID, _ address: HostAddress, _ key: String?, _ type: String, _ byteCount: Int)
    -> String
  {
    """
    POST \(StadionClient.path(of: model))/infer HTTP/1.1\r
    Host: \(address.hostHeader)\r
    \(type)\r
    Content-Length: \(byteCount)\r
    \(key.map { "Authorization: Bearer \($0)\r\n" } ?? "")\r

    """
  }
}
