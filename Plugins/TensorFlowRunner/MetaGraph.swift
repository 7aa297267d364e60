/// What a SavedModel's graph says of itself: the parts of the protobuf messages MetaGraphDef, SignatureDef and
/// TensorInfo that we need. Their nesting is spelled out here, so that no message makes us go deeper.
struct MetaGraph {
  /// By name. Those of the model's own start-up ("__saved_model_init_op") aren't among them.
  var signatures: [String: SignatureDef] = [:]
  var tags: [String] = []
  /// Of the TensorFlow that wrote it; empty if it doesn't say.
  var tensorFlowVersion = ""
  /// Variables come from files beside the graph.
  var restoresVariables = false
  var operations = GraphOperations()

  init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
      guard let message = value.bytes else { return }
      switch field {
      case 1:
        try forEachField(of: message) { (field, value) in
          if field == 4, let tag = value.text { tags.append(tag) }
          if field == 5, let version = value.text { tensorFlowVersion = version }
        }
      case 2: try operations.read(message)
      case 3:
        try forEachField(of: message) { (field, value) in
          if field == 3, value.bytes?.isEmpty == false { restoresVariables = true }
        }
      case 5:
        let (name, content) = try mapEntry(message)
        if !name.hasPrefix("__saved_model_") { signatures[name] = try SignatureDef(content) }
      default: break
      }
    }
  }
}

struct SignatureDef {
  var inputs: [(key: String, info: TensorInfo)] = []
  var outputs: [(key: String, info: TensorInfo)] = []
  /// "tensorflow/serving/predict"
  var method = ""

  init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    var inputs: [String: TensorInfo] = [:]
    var outputs: [String: TensorInfo] = [:]
    try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
      guard let message = value.bytes else { return }
      if field == 3 { method = value.text ?? "" }
      guard field == 1 || field == 2 else { return }
      let (key, content) = try mapEntry(message)
      let info = try TensorInfo(content)
      if field == 1 { inputs[key] = info } else { outputs[key] = info }
    }
    // The entries of a map are stored in any order, which is another one in each copy of a file.
    func sorted(_ entries: [String: TensorInfo]) -> [(key: String, info: TensorInfo)] {
      entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
    }
    self.inputs = sorted(inputs)
    self.outputs = sorted(outputs)
  }
}

struct TensorInfo {
  /// "serving_default_x:0"; empty for what isn't one dense tensor.
  var tensorName = ""
  /// TensorFlow's number of the element type.
  var dataType: Int32 = 0
  /// -1 where any size fits; nil where not even the rank is known.
  var shape: [Int64]?

  init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
      switch field {
      case 1: tensorName = value.text ?? ""
      case 2: dataType = Int32(truncatingIfNeeded: value.number ?? 0)
      case 3: if let message = value.bytes { shape = try readShape(message) }
      default: break
      }
    }
  }
}

private func readShape(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> [Int64]? {
  var shape: [Int64] = []
  var isUnknown = false
  try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
    if field == 3, value.number == 1 { isUnknown = true }
    guard field == 2, let dimension = value.bytes else { return }
    var size: Int64 = 0
    try forEachField(of: dimension) { (field, value) in
      if field == 1, let number = value.number { size = Int64(bitPattern: number) }
    }
    shape.append(max(size, -1))
  }
  return isUnknown ? nil : shape
}

/// Key and value of an entry in a map of messages.
private func mapEntry(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> (String, UnsafeRawBufferPointer) {
  var key = ""
  var content = UnsafeRawBufferPointer(start: nil, count: 0)
  try forEachField(of: bytes) { (field, value) in
    if field == 1 { key = value.text ?? "" }
    if field == 2, let message = value.bytes { content = message }
  }
  return (key, content)
}
