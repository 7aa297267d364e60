package import Inference
package import StadionClient
import Wire

/// One inference request as the bytes that are sent, made once.
package struct PreparedRequest: Sendable {
  package let address: HostAddress
  package let bytes: [UInt8]

  /// - Parameter key: API key; nil for none.
  package init(_ model: ModelID, inputs: [DenseTensor], to address: HostAddress, key: String? = nil) {
    let (body, headLength) = InferenceMessage.request(inputs, [], [])
    self.address = address
    let head = """
      POST \(StadionClient.path(of: model))/infer HTTP/1.1\r
      Host: \(address.hostHeader)\r
      Content-Type: application/octet-stream\r
      \(InferenceMessage.lengthHeader): \(headLength)\r
      Content-Length: \(body.count)\r
      \(key.map { "Authorization: Bearer \($0)\r\n" } ?? "")\r

      """
    bytes = Array(head.utf8) + body
  }
}
