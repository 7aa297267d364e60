package import Inference
package import Wire

/// What a host says about a model: names, types and shapes.
package struct ModelMetadata: Sendable {
  package let name: String
  package let versions: [String]
  package let platform: String
  package let inputs: [TensorSpec]
  package let outputs: [TensorSpec]

  /// - Throws: `HostError` `.internalError` where the answer isn't the protocol's.
  package init(_ json: JSONValue) throws(HostError) {
    guard let name = json["name"]?.string else {
      throw HostError(.internalError, "the server's model metadata has no name")
    }
    self.name = name
    versions = json["versions"]?.array?.compactMap(\.string) ?? []
    platform = json["platform"]?.string ?? ""
    inputs = try Self.tensors(json["inputs"], "inputs")
    outputs = try Self.tensors(json["outputs"], "outputs")
  }

  private static func tensors(_ json: JSONValue?, _ member: String) throws(HostError) -> [TensorSpec] {
    var specs: [TensorSpec] = []
    for entry in json?.array ?? [] {
      guard let name = entry["name"]?.string, let datatype = entry["datatype"]?.string,
        let type = ElementType(protocolName: datatype), let sizes = entry["shape"]?.array
      else {
        throw HostError(
          .internalError, "the server's model metadata has an entry in \(member) without name, datatype or shape")
      }
      let shape = sizes.compactMap { $0.int.map(Int64.init) }
      guard shape.count == sizes.count else {
        throw HostError(.internalError, "the server's model metadata: the shape of \(name) has more than integers")
      }
      specs.append(TensorSpec(name: name, elementType: type, shape: shape))
    }
    return specs
  }
}

extension ElementType {
  package init?(protocolName text: String) {
    let bytes = Array(text.utf8)
    let match = bytes.withUnsafeBytes { ElementType(protocolName: $0) }
    guard let match else { return nil }
    self = match
  }
}

/// An output that a request asks for.
package struct RequestedOutput: Sendable {
  package let name: String
  /// Ask for the `classification` highest scores as `value:index:label` instead of the tensor; 0 for the tensor.
  package let classification: Int

  package init(_ name: String, classification: Int = 0) {
    self.name = name
    self.classification = classification
  }
}

/// The answer to an inference request.
package struct InferenceAnswer: Sendable {
  package let modelName: String
  package let modelVersion: String?
  package let id: String?
  package let parameters: JSONValue?
  package let outputs: [DenseTensor]
}
