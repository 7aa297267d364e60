package import Inference
package import Wire

/// The protocol's inference messages, in their binary form: a JSON head, then the tensors' bytes in order.
package enum InferenceMessage {
  /// Says where the JSON head ends.
  package static let lengthHeader = "Inference-Header-Content-Length"

  package static func request(
    _ inputs: [DenseTensor], _ outputs: [RequestedOutput], _ parameters: [(String, JSONValue)]
  ) -> (body: [UInt8], headLength: Int) {
    let tensors = inputs.map { input -> JSONValue in
      [
        "name": .string(input.name), "shape": .array(input.shape.map { .integer($0) }),
        "datatype": .string(input.elementType.protocolName.description),
        "parameters": ["binary_data_size": .integer(input.bytes.count)],
      ]
    }
    var members: [JSONValue.Member] = [.init("inputs", .array(tensors))]
    if !outputs.isEmpty {
      let wanted = outputs.map { output -> JSONValue in
        var parameters: [JSONValue.Member] = [.init("binary_data", true)]
        if output.classification > 0 { parameters.append(.init("classification", .integer(output.classification))) }
        return ["name": .string(output.name), "parameters": .object(parameters)]
      }
      members.append(.init("outputs", .array(wanted)))
    }
    let all = [("binary_data_output", true)] + parameters
    members.append(.init("parameters", .object(all.map { .init($0.0, $0.1) })))
    var body = Array(JSONValue.object(members).text.utf8)
    let headLength = body.count
    body.reserveCapacity(inputs.reduce(headLength) { $0 + $1.bytes.count })
    for input in inputs { body += input.bytes }
    return (body, headLength)
  }

  /// The protocol's plain form: tensors as numbers and strings.
  package static func json(_ inputs: [DenseTensor]) throws(HostError) -> [UInt8] {
    var tensors: [JSONValue] = []
    for input in inputs {
      tensors.append([
        "name": .string(input.name), "shape": .array(input.shape.map { .integer($0) }),
        "datatype": .string(input.elementType.protocolName.description), "data": .array(try input.elementsAsJSON()),
      ])
    }
    return Array(JSONValue.object([.init("inputs", .array(tensors))]).text.utf8)
  }

  static func answer(_ response: HTTPResponse) throws(HostError) -> InferenceAnswer {
    var headLength = response.body.count
    if let text = response.header(lengthHeader.lowercased()) {
      guard let length = Int(text), (0...headLength).contains(length) else {
        throw HostError(.internalError, "the server's \(lengthHeader) is \(text), its body has \(headLength) bytes")
      }
      headLength = length
    }
    let json = try StadionClient.json(Array(response.body[..<headLength]))
    var rest = response.body[headLength...]
    var outputs: [DenseTensor] = []
    for entry in json["outputs"]?.array ?? [] { outputs.append(try output(entry, &rest)) }
    guard rest.isEmpty else {
      throw HostError(.internalError, "the server's answer has \(rest.count) bytes that belong to no output")
    }
    return InferenceAnswer(
      modelName: json["model_name"]?.string ?? "", modelVersion: json["model_version"]?.string,
      id: json["id"]?.string, parameters: json["parameters"], outputs: outputs)
  }

  /// One output; takes its bytes from the front of `rest` if it is binary.
  private static func output(_ entry: JSONValue, _ rest: inout ArraySlice<UInt8>) throws(HostError) -> DenseTensor {
    guard let name = entry["name"]?.string, let datatype = entry["datatype"]?.string,
      let type = ElementType(protocolName: datatype), let sizes = entry["shape"]?.array
    else { throw HostError(.internalError, "an output of the server's answer lacks name, datatype or shape") }
    let shape = sizes.compactMap { $0.int.map(Int64.init) }
    guard shape.count == sizes.count else {
      throw HostError(.internalError, "\(name): the server's shape has more than integers")
    }
    var tensor: DenseTensor
    if let size = entry["parameters"]?["binary_data_size"]?.int {
      guard size >= 0, size <= rest.count else {
        throw HostError(.internalError, "\(name): binary_data_size \(size), \(rest.count) bytes are left")
      }
      tensor = DenseTensor(name: name, elementType: type, shape: shape, bytes: Array(rest.prefix(size)))
      rest = rest.dropFirst(size)
    } else {
      guard let data = entry["data"] else { throw HostError(.internalError, "\(name): the server sent no data") }
      tensor = try DenseTensor(name: name, elementType: type, json: data)
      tensor.shape = shape
    }
    try tensor.validate()
    return tensor
  }
}
