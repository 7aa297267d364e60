/// The operations of a graph, and which of them a signature runs.
struct GraphOperations {
  /// An operation of the graph itself; inside functions only kinds and calls matter.
  private struct Node {
    var kind = ""
    var inputs: [String] = []
    var calls: Set<String> = []
  }
  private var nodes: [String: Node] = [:]
  private var functions: [String: (kinds: Set<String>, calls: Set<String>)] = [:]

  private static let variables: Set<String> = ["VarHandleOp", "VariableV2", "Variable"]
  /// Stateful operations whose state isn't made of tensors that they are given.
  private static let harmless: Set<String> = [
    "VarHandleOp", "ReadVariableOp", "VarIsInitializedOp", "VariableShape", "ResourceGather", "ResourceGatherNd",
    "StatefulPartitionedCall", "If", "While", "Case", "Assert", "PrintV2", "HashTableV2", "LookupTableFindV2",
    "LookupTableSizeV2", "RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal",
    "RandomShuffle", "Multinomial", "Placeholder",
  ]

  var hasVariables: Bool { nodes.values.contains { Self.variables.contains($0.kind) } }

  /// An operation that may hold a tensor longer than the run that gave it: TensorFlow doesn't copy what is assigned to
  /// a variable, it holds on to the memory. Nil if these outputs need none.
  ///
  /// - Parameters:
  ///   - outputs: Tensors of the graph, as "operation:index".
  ///   - stateful: Of all operations there are. A kind that isn't a function's name and unknown here can't be loaded.
  func keepingOperation(for outputs: [String], stateful: Set<String>) -> String? {
    var kinds: Set<String> = []
    var calls: Set<String> = []
    var seen: Set<String> = []
    var waiting = outputs.map(operation)
    while let name = waiting.popLast() {
      guard seen.insert(name).inserted, let node = nodes[name] else { continue }
      kinds.insert(node.kind)
      calls.formUnion(node.calls)
      waiting += node.inputs.map(operation)
    }
    var called: Set<String> = []
    var callees = Array(calls.union(kinds))
    while let name = callees.popLast() {
      guard called.insert(name).inserted, let function = functions[name] else { continue }
      kinds.formUnion(function.kinds)
      callees += function.calls.union(function.kinds)
    }
    return kinds.intersection(stateful).subtracting(Self.harmless).min()
  }

  /// "^read:0" and the like name the operation "read".
  private func operation(of tensor: String) -> String {
    let name = tensor.hasPrefix("^") ? tensor.dropFirst() : Substring(tensor)
    return String(name.lastIndex(of: ":").map { name[..<$0] } ?? name)
  }

  // MARK: Reading

  /// Reads a GraphDef: nodes, and functions in a library.
  mutating func read(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
      guard let message = value.bytes else { return }
      if field == 1 {
        let (name, node) = try readNode(message)
        nodes[name] = node
      }
      guard field == 2 else { return }
      try forEachField(of: message) { (field, value) throws(ProtobufError) in
        if field == 1, let function = value.bytes { try readFunction(function) }
      }
    }
  }

  /// Of a FunctionDef its name, in an OpDef, and its nodes.
  private mutating func readFunction(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    var name = ""
    var kinds: Set<String> = []
    var calls: Set<String> = []
    try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
      guard let message = value.bytes else { return }
      if field == 1 { try forEachField(of: message) { (field, value) in if field == 1 { name = value.text ?? "" } } }
      guard field == 3 else { return }
      let (_, node) = try readNode(message)
      kinds.insert(node.kind)
      calls.formUnion(node.calls)
    }
    functions[name] = (kinds, calls)
  }

  /// Of a NodeDef its name, kind and inputs, and the functions that its attributes name.
  private func readNode(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> (String, Node) {
    var name = ""
    var node = Node()
    try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
      switch field {
      case 1: name = value.text ?? ""
      case 2: node.kind = value.text ?? ""
      case 3: if let input = value.text { node.inputs.append(input) }
      case 5:
        guard let entry = value.bytes else { return }
        try forEachField(of: entry) { (field, value) throws(ProtobufError) in
          if field == 2, let attribute = value.bytes { try readCalls(attribute, &node.calls) }
        }
      default: break
      }
    }
    return (name, node)
  }

  /// Of an AttrValue the functions: one, or those of a list.
  private func readCalls(_ bytes: UnsafeRawBufferPointer, _ calls: inout Set<String>) throws(ProtobufError) {
    try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
      guard let message = value.bytes else { return }
      if field == 10 { try readFunctionName(message, &calls) }
      guard field == 1 else { return }
      try forEachField(of: message) { (field, value) throws(ProtobufError) in
        if field == 9, let function = value.bytes { try readFunctionName(function, &calls) }
      }
    }
  }

  private func readFunctionName(_ bytes: UnsafeRawBufferPointer, _ calls: inout Set<String>) throws(ProtobufError) {
    try forEachField(of: bytes) { (field, value) in
      if field == 1, let name = value.text { calls.insert(name) }
    }
  }

  /// The names of an OpList whose operations have a state.
  static func statefulOperations(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> Set<String> {
    var names: Set<String> = []
    try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
      guard field == 1, let definition = value.bytes else { return }
      var name = ""
      var isStateful = false
      try forEachField(of: definition) { (field, value) in
        if field == 1 { name = value.text ?? "" }
        if field == 17 { isStateful = value.number == 1 }
      }
      if isStateful { names.insert(name) }
    }
    return names
  }
}
