/// What the operations of a graph and its functions tell before any of them runs.
struct GraphFacts {
  private(set) var hasVariables = false
  /// An operation that may hold a tensor longer than the run that gave it: TensorFlow doesn't copy what is assigned to
  /// a variable, it holds on to the memory. Nil if there is none.
  private(set) var keepingOperation: String?

  /// Stateful operations whose state isn't made of tensors that they are given.
  private static let harmless: Set<String> = [
    "VarHandleOp", "ReadVariableOp", "VarIsInitializedOp", "VariableShape", "ResourceGather", "ResourceGatherNd",
    "StatefulPartitionedCall", "If", "While", "Case", "Assert", "PrintV2", "HashTableV2", "LookupTableFindV2",
    "LookupTableSizeV2", "InitializeTableV2", "InitializeTableFromTextFileV2", "LookupTableImportV2",
    "SaveV2", "RestoreV2", "MergeV2Checkpoints", "RandomUniform", "RandomUniformInt", "RandomStandardNormal",
    "TruncatedNormal", "RandomShuffle", "Multinomial",
  ]
  private static let variables: Set<String> = ["VarHandleOp", "VariableV2", "Variable"]

  /// Reads a GraphDef: nodes and functions.
  mutating func read(
    _ bytes: UnsafeRawBufferPointer, _ statefulOperations: Set<String>
  ) throws(ProtobufError) {
    var operations: Set<String> = []
    var functions: [UnsafeRawBufferPointer] = []
    try forEachField(of: bytes) { (field, value) throws(ProtobufError) in
      guard let message = value.bytes else { return }
      if field == 1, let name = try operation(of: message) { operations.insert(name) }
      guard field == 2 else { return }
      try forEachField(of: message) { (field, value) in
        if field == 1, let function = value.bytes { functions.append(function) }
      }
    }
    hasVariables = !operations.isDisjoint(with: Self.variables)
    note(operations, statefulOperations)
    for function in functions {
      var operations: Set<String> = []
      try forEachField(of: function) { (field, value) throws(ProtobufError) in
        if field == 3, let node = value.bytes, let name = try operation(of: node) { operations.insert(name) }
      }
      // Every model has the function that fills its variables from files.
      if !operations.contains("RestoreV2") { note(operations, statefulOperations) }
    }
  }

  private mutating func note(_ operations: Set<String>, _ statefulOperations: Set<String>) {
    for name in operations.subtracting(Self.harmless).sorted() where keepingOperation == nil {
      // "Assign" and its like write to variables of TensorFlow 1, which are the stateful part.
      if statefulOperations.contains(name) { keepingOperation = name }
    }
  }

  /// Of a NodeDef.
  private func operation(of node: UnsafeRawBufferPointer) throws(ProtobufError) -> String? {
    var name: String?
    try forEachField(of: node) { (field, value) in if field == 2 { name = value.text } }
    return name
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
