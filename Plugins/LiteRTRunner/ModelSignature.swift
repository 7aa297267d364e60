import Glibc
import RunnerKit

/// The signature of a model that is served: one of its functions, with inputs and outputs.
struct ModelSignature {
  let index: Int
  let key: String
  /// Names of all signatures of the file, in byte order.
  let allKeys: [String]
  let inputs: [ModelTensor]
  let outputs: [ModelTensor]
  /// For each output.
  let sources: [Source]

  /// Where the bytes of an output come from. Given memory of its own, an output that is another tensor too takes that
  /// tensor's place: LiteRT then computes with what lies there, and says that all went well.
  enum Source {
    case run
    case input(Int)
    case output(Int)
  }

  /// - Parameter wanted: Of `model.json`; nil takes "serving_default", or else the first by name.
  /// - Throws: `.notFound` when the file has no such signature; what `ModelTensor` refuses.
  init(_ file: ModelFile, wanted: String?) throws(RunnerError) {
    let api = file.environment.api
    var count = 0
    try api.check(api.signatureCount(file.handle, &count), "number of signatures")
    var keys: [(key: String, index: Int, signature: LiteRTObject)] = []
    for index in 0..<count {
      let signature = try api.make("signature \(index)") { api.signature(file.handle, index, $0) }
      var text: Text?
      try api.check(api.signatureKey(signature, &text), "name of signature \(index)")
      keys.append((text.map { String(cString: $0) } ?? "", index, signature))
    }
    keys.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    let all = keys.map(\.key)
    let name = wanted ?? (all.contains("serving_default") ? "serving_default" : all.first)
    guard let chosen = keys.first(where: { $0.key == name }) else {
      let known = all.isEmpty ? "none" : all.joined(separator: ", ")
      throw RunnerError(
        .notFound, "the model has no signature\(wanted.map { " \"\($0)\"" } ?? ""); it has \(known)")
    }
    index = chosen.index
    key = chosen.key
    allKeys = all
    inputs = try ModelTensor.list(api, chosen.signature, outputs: false)
    do throws(RunnerError) {
      outputs = try ModelTensor.list(api, chosen.signature, outputs: true)
    } catch {
      ModelTensor.free(inputs)
      throw error
    }
    sources = Self.sources(inputs, outputs)
    do throws(RunnerError) { try check(file) } catch {
      free()
      throw error
    }
  }

  private static func sources(_ inputs: [ModelTensor], _ outputs: [ModelTensor]) -> [Source] {
    outputs.indices.map { place in
      let tensor = outputs[place].tensor
      if let input = inputs.firstIndex(where: { $0.tensor == tensor }) { return .input(input) }
      if let first = outputs[..<place].firstIndex(where: { $0.tensor == tensor }) { return .output(first) }
      return .run
    }
  }

  /// - Throws: What can be told without a run.
  private func check(_ file: ModelFile) throws(RunnerError) {
    guard !outputs.isEmpty else { throw RunnerError(.unsupported, "signature \(key) has no outputs") }
    for (place, input) in inputs.enumerated() where inputs[..<place].contains(where: { $0.tensor == input.tensor }) {
      throw RunnerError(.unsupported, "input \(String(cString: input.name)) is another input under a second name")
    }
    for (tensors, isOutput) in [(inputs, false), (outputs, true)] {
      // LiteRT invents names for tensors that a signature leaves out, and crashes when it looks for them.
      guard let names = file.names(of: key, outputs: isOutput) else { continue }
      for tensor in tensors where !names.contains(String(cString: tensor.name)) {
        throw RunnerError(.invalidArgument, "signature \(key) doesn't name tensor \(String(cString: tensor.name))")
      }
    }
    // With nothing open in the inputs only their values can tell its size.
    if !inputs.contains(where: \.isDynamic), let output = outputs.first(where: \.isDynamic) { throw output.unwritten }
  }

  func free() { ModelTensor.free(inputs + outputs) }
}
