import Glibc
package import Inference

/// What a loaded model takes and gives. Immutable; any thread.
package final class ModelSignature: Sendable {
  package let inputs: [TensorSpec]
  package let outputs: [TensorSpec]
  /// Whether a run may have any number of rows: all inputs leave their first dimension open.
  package let takesRows: Bool
  package let runnerID: String
  /// What the model says of itself.
  package let metadata: [(key: String, value: String)]

  /// Tensors of one side at most; bounds what a broken signature can make the host do.
  static let maxTensors = 4096

  /// - Throws: `.runnerFailed` or `.unsupported` for a signature that can't be served.
  init(
    runnerID: String, inputs: [TensorSpec], outputs: [TensorSpec], metadata: [(key: String, value: String)]
  ) throws(HostError) {
    try Self.check(inputs, "input", runnerID)
    try Self.check(outputs, "output", runnerID)
    self.runnerID = runnerID
    self.inputs = inputs
    self.outputs = outputs
    takesRows = !inputs.isEmpty && inputs.allSatisfy { $0.shape.first == -1 }
    self.metadata = metadata
  }

  private static func check(_ specs: [TensorSpec], _ side: String, _ runnerID: String) throws(HostError) {
    func refuse(_ reason: String) -> HostError { HostError(.runnerFailed, "runner \(runnerID): \(reason)") }
    var names: Set<String> = []
    for spec in specs {
      guard !spec.name.isEmpty, names.insert(spec.name).inserted else {
        throw refuse("two \(side)s are named '\(spec.name)', or one has no name")
      }
      guard spec.shape.count <= RunRequest.maxRank else {
        throw HostError(
          .unsupported,
          "\(side) '\(spec.name)' has rank \(spec.shape.count), at most \(RunRequest.maxRank) is served")
      }
      guard spec.shape.allSatisfy({ $0 >= -1 }) else {
        throw refuse("\(side) '\(spec.name)' has shape \(spec.shape)")
      }
    }
    guard specs.count <= maxTensors else { throw refuse("more than \(maxTensors) \(side)s") }
  }

  /// Bytes of all outputs together, where their shapes are fixed; what can't be told counts as none.
  var knownOutputBytes: Int {
    outputs.reduce(0) { sum, spec in
      let bytes = TensorSize.byteCount(spec.elementType, spec.shape) ?? 0
      let (total, overflow) = sum.addingReportingOverflow((min(bytes, 1 << 46) + 63) & ~63)
      return overflow ? sum : total
    }
  }
}
