package import Inference

/// What is served under which name, as it was at one moment. Immutable; loops read it without a call.
///
/// The router's actor publishes a new table at each change. Names are looked up as raw bytes: no `String` is made.
package final class RoutingTable: Sendable {
  package struct Model: Sendable {
    package let name: String
    /// Highest version first.
    package let versions: [ServedVersion]
    /// Why there are none.
    package let reason: String
    /// A version was served and will be again: its runner's process is being started.
    var isComingBack = false
  }

  private struct Slot: Sendable {
    let hash: UInt64
    let name: [UInt8]
    let model: Model
  }

  package let models: [Model]
  private let slots: [Slot?]
  private let mask: Int

  package init(_ models: [Model] = []) {
    self.models = models.sorted { $0.name < $1.name }
    // At most half full, so that a search ends soon.
    var size = 8
    while size < models.count * 2 { size *= 2 }
    mask = size - 1
    var slots = [Slot?](repeating: nil, count: size)
    for model in models {
      let name = Array(model.name.utf8)
      let hash = name.withUnsafeBytes { Self.hash($0) }
      var index = Int(truncatingIfNeeded: hash) & mask
      while slots[index] != nil { index = (index + 1) & mask }
      slots[index] = Slot(hash: hash, name: name, model: model)
    }
    self.slots = slots
  }

  /// FNV-1a, 64 bits.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
  }

  package func model(_ name: UnsafeRawBufferPointer) -> Model? {
    let hash = Self.hash(name)
    var index = Int(truncatingIfNeeded: hash) & mask
    while let slot = slots[index] {
      if slot.hash == hash && slot.name.elementsEqual(name) { return slot.model }
      index = (index + 1) & mask
    }
    return nil
  }

  /// - Parameters:
  ///   - name: Decoded UTF-8.
  ///   - version: Nil for the highest.
  /// - Throws: `.notFound` in the words that clients look for; `.overloaded` while the model's runner comes back.
  package func version(_ name: UnsafeRawBufferPointer, _ version: Int?) throws(HostError) -> ServedVersion {
    guard let model = model(name) else {
      throw HostError(
        .notFound, "Request for unknown model: '\(String(decoding: name, as: UTF8.self).excerpt)' is not found")
    }
    guard let latest = model.versions.first else {
      if model.isComingBack { throw comingBack(model) }
      throw HostError(
        .notFound, "Request for unknown model: '\(model.name)' has no available versions: \(model.reason)")
    }
    guard let version else { return latest }
    guard let match = model.versions.first(where: { Int($0.version) == version }) else {
      if model.isComingBack { throw comingBack(model) }
      throw HostError(.notFound, "Request for unknown model: '\(model.name)' version \(version) is not found")
    }
    return match
  }

  private func comingBack(_ model: Model) -> HostError {
    let advice = "; try again later"
    let reason = model.reason.hasSuffix(advice) ? model.reason : model.reason + advice
    return HostError(.overloaded, "model '\(model.name)' is not served at the moment: \(reason)")
  }
}
