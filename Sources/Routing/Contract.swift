import Inference
import Running

/// What a version takes and gives, by the word of one that serves it: requests are read by it.
///
/// Who serves beside that one, or stands in for it, is held to it, also with a file in another format.
struct Contract: Sendable {
  private let signature: ModelSignature
  private let place: String

  init(_ model: LoadedModel) {
    signature = model.signature
    place = "\(model.runnerID) on \(model.device)"
  }

  /// - Throws: `.unsupported` for other inputs or outputs, be it in their names or their order.
  func check(_ model: LoadedModel) throws(HostError) {
    guard model.inputs != signature.inputs || model.outputs != signature.outputs else { return }
    throw HostError(
      .unsupported,
      "runner \(model.runnerID) on \(model.device): inputs or outputs differ from those of \(place)")
  }
}
