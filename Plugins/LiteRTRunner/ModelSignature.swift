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

  /// - Parameter wanted: Of `model.json`; nil takes "serving_default", or else the first by name.
  /// - Throws: `.notFound` when the file has no such signature; what `ModelTensor` refuses.
  init(_ api: LiteRTAPI, model: LiteRTObject, wanted: String?) throws(RunnerError) {
    var count = 0
    try api.check(api.signatureCount(model, &count), "number of signatures")
    var keys: [(key: String, index: Int, signature: LiteRTObject)] = []
    for index in 0..<count {
      let signature = try api.make("signature \(index)") { api.signature(model, index, $0) }
      var text: Text?
      try api.check(api.signatureKey(signature, &text), "name of signature \(index)")
      keys.append((text.map { String(cString: $0) } ?? "", index, signature))
    }
    keys.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    let all = keys.map(\.key)
    let name = wanted ?? (all.contains("serving_default") ? "serving_default" : all.first)
    guard let chosen = keys.first(where: { $0.key == name }) else {
      throw RunnerError(
        .notFound, "the model has no signature \"\(name ?? "")\"; it has \(all.isEmpty ? "none" : all.joined(separator: ", "))")
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
    guard !outputs.isEmpty else {
      ModelTensor.free(inputs)
      throw RunnerError(.unsupported, "signature \(key) has no outputs")
    }
  }

  func free() { ModelTensor.free(inputs + outputs) }
}
